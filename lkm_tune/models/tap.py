"""An unchanged torch module as a model: its layers are the outputs of named submodules."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from functools import partial
from typing import Any

from torch import Tensor, nn

from lkm_tune.graphs import MoleculeBatch
from lkm_tune.models.output import ModelOutput, MoleculeModel
from lkm_tune.models.own_module import CUTOFF, is_length
from lkm_tune.models.setting_checks import check_lengths

Call = Callable[[Any, MoleculeBatch], Any]
"""call(module, batch) -> prediction [G] or [G, P]."""

_SHOWN = 8


def call_with_positions(module: nn.Module, batch: MoleculeBatch) -> Any:
    """module(z, pos, batch=graph_index), the arguments of SchNet in PyTorch Geometric."""
    return module(batch.z, batch.pos, batch=batch.graph_index)


class LayerTap(MoleculeModel):
    """Runs a torch module and takes the outputs of its submodules as the layers to mix.

        LayerTap(SchNet(...), ["interactions.0", "interactions.1"])
        LayerTap(net, ["convs.0", "convs.1"],
                 call=lambda net, batch: net(batch.z, batch.bond_index, batch.graph_index),
                 needs_positions=False)

    Forward hooks exist only during a forward pass: the tap stores nothing of a batch, and copies
    and states of the module (under the name `model`) stay the same. If a submodule returns a tuple,
    the first item counts. The tap sees later in-place changes of a tensor.

    Args:
        model: the module.
        layers: names of at least two submodules, as `model.named_modules()` has them; each must
            run once in a forward pass and return [N, D], the same for all.
        call: calls the module with a batch and returns the prediction.
        cutoff: radius in Å of the neighbour graph in the batch; None for the module's attribute
            `cutoff`, or 5 Å if it has none.
        needs_positions: False if `call` reads no positions, so that bonds suffice.

    Raises:
        ValueError: for fewer than two names, an unknown or repeated submodule, or a `cutoff` that
            is no length.
    """

    def __init__(
        self,
        model: nn.Module,
        layers: Sequence[str],
        *,
        call: Call = call_with_positions,
        cutoff: float | None = None,
        needs_positions: bool = True,
    ) -> None:
        """Wrap `model` without changing its parameters."""
        super().__init__()
        _check_names(model, layers)
        self.model = model
        self.layers = tuple(layers)
        self.call = call
        self.needs_positions = self.uses_positions = needs_positions
        if cutoff is None:
            theirs = getattr(model, "cutoff", None)
            cutoff = theirs if is_length(theirs) else CUTOFF
        check_lengths(cutoff=cutoff)
        self.cutoff = float(cutoff)

    def forward(self, batch: MoleculeBatch) -> ModelOutput:
        """Predict for a batch.

        Raises:
            ValueError: if a layer did not run once or is not [N, D] as the others are, or the
                prediction is not one row a molecule.
        """
        caught: dict[str, list[Any]] = {name: [] for name in self.layers}
        handles = [
            self.model.get_submodule(name).register_forward_hook(partial(_catch, caught[name]))
            for name in self.layers
        ]
        try:
            answer = self.call(self.model, batch)
        finally:
            for handle in handles:
                handle.remove()
        states = {name: _only(name, outputs) for name, outputs in caught.items()}
        _check_shapes(states, batch.n_atoms)
        return ModelOutput(_prediction(answer, batch.n_graphs), list(states.values()))


def _catch(outputs: list[Any], module: nn.Module, arguments: Any, output: Any) -> None:
    outputs.append(output)


def _check_names(model: nn.Module, layers: Sequence[str]) -> None:
    if isinstance(layers, str) or len(layers) < 2:
        raise ValueError(f"`layers` must be a list of at least two names, but got {layers!r}")
    known = {name: module for name, module in model.named_modules(remove_duplicate=False) if name}
    for name in layers:
        if name not in known:
            raise ValueError(
                f"{type(model).__name__} has no submodule {name!r}; {_nearest(name, known)}"
            )
    for module, count in Counter(known[name] for name in layers).items():
        if count > 1:
            twice = ", ".join(name for name in layers if known[name] is module)
            raise ValueError(f"layers must be different submodules, but {twice} are the same")


def _nearest(name: str, known: Iterable[str]) -> str:
    names = list(known)
    near = get_close_matches(name, names, n=_SHOWN, cutoff=0.5)
    if near:
        return f"the nearest are {', '.join(near)}"
    more = ", ..." if len(names) > _SHOWN else ""
    return f"it has {', '.join(names[:_SHOWN]) or 'none'}{more}"


def _only(name: str, outputs: Sequence[Any]) -> Tensor:
    if len(outputs) != 1:
        how = f"ran {len(outputs)} times" if outputs else "was not called"
        raise ValueError(f"every layer must run once in a forward pass, but {name} {how}")
    (output,) = outputs
    state = output[0] if isinstance(output, tuple) and output else output
    if not isinstance(state, Tensor):
        raise ValueError(
            f"every layer must return a tensor [atoms, features], but {name} returned "
            f"{type(state).__name__}"
        )
    return state


def _check_shapes(states: dict[str, Tensor], n_atoms: int) -> None:
    shapes = {name: tuple(state.shape) for name, state in states.items()}
    wrong = [name for name, shape in shapes.items() if len(shape) != 2 or shape[0] != n_atoms]
    if wrong:
        raise ValueError(
            f"every layer must be [atoms, features], here with {n_atoms} atoms, but "
            + ", ".join(f"{name} is {shapes[name]}" for name in wrong)
        )
    if len(set(shapes.values())) > 1:
        raise ValueError(
            "all layers must have one shape, but "
            + ", ".join(f"{name} is {shape}" for name, shape in shapes.items())
        )


def _prediction(answer: Any, n_graphs: int) -> Tensor:
    if not isinstance(answer, Tensor):
        raise ValueError(
            f"`call` must return the prediction, a tensor [molecules, outputs], but returned "
            f"{type(answer).__name__}"
        )
    if answer.ndim <= 1 and answer.numel() == n_graphs:
        return answer.view(n_graphs, 1)
    if answer.ndim != 2 or answer.shape[0] != n_graphs:
        raise ValueError(
            f"the prediction must be [molecules, outputs], here with {n_graphs} molecules, but "
            f"is {tuple(answer.shape)}"
        )
    return answer
