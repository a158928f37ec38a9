"""Builds the module of a user's model, and checks the module and its outputs."""

import math
from collections.abc import Mapping
from numbers import Real
from typing import Any, TypeGuard, cast

from torch import Tensor, nn

from lkm_tune.models.output import ModelOutput, MoleculeModel
from lkm_tune.models.own_model import code_digest, described, find_function

CUTOFF = 5.0
"""Radius in Å of the neighbour graph for a user's model without `cutoff`."""


def build_own(name: str, settings: Mapping[str, Any]) -> MoleculeModel:
    """Call the function `name` with `settings` and check what it returns.

    A module without `cutoff` gets the value `CUTOFF`. A hook checks the form of every output
    (`check_output`).

    Raises:
        ValueError: if there is no such function, it fails, or it returns no usable module.
    """
    build = find_function(name)
    try:
        module = build(**settings)
    except Exception as error:
        raise ValueError(f"{name} failed: {described(error)}") from error
    if not isinstance(module, nn.Module):
        raise ValueError(
            f"{name} must return a torch.nn.Module, but returned {type(module).__name__}"
        )
    model = cast(MoleculeModel, module)
    if not hasattr(module, "cutoff"):
        model.cutoff = CUTOFF
    elif not is_length(module.cutoff):
        raise ValueError(
            "the attribute `cutoff` of a model must be the radius in Å of its neighbour graph, but "
            f"{name} has cutoff={module.cutoff!r}; rename this attribute"
        )
    module.register_forward_hook(check_output)
    code_digest(name)
    return model


def is_length(value: object) -> TypeGuard[float]:
    """Whether `value` is a positive, finite number."""
    return isinstance(value, Real) and not isinstance(value, bool) and 0 < float(value) < math.inf


def check_output(module: nn.Module, arguments: tuple[Any, ...], output: Any) -> None:
    """Raise ValueError unless `output` is a `ModelOutput` that fits the batch.

    As a forward hook it sees every output, and copies of the module keep the hook.
    """
    kind = type(module).__name__
    if not isinstance(output, ModelOutput):
        raise ValueError(
            f"a model must return lkm_tune.models.ModelOutput, but {kind} returned "
            f"{type(output).__name__}; name the submodules whose outputs are its layers with "
            "LayerTap(model, [...])"
        )
    (batch, *_) = arguments or (None,)
    n_atoms, n_graphs = getattr(batch, "n_atoms", None), getattr(batch, "n_graphs", None)
    shape = _shape(output.prediction)
    if len(shape) != 2 or n_graphs not in (None, shape[0]):
        raise ValueError(
            f"the prediction must have the shape [molecules, outputs] with {n_graphs} molecules, "
            f"but {kind} returned {shape}"
        )
    shapes = [_shape(layer) for layer in output.layers]
    rows = {shape[:1] for shape in shapes}
    same = len(set(shapes)) == 1 and len(shapes[0]) == 2
    if len(shapes) < 2 or not same or n_atoms is not None and rows != {(n_atoms,)}:
        raise ValueError(
            f"the layers must be at least two tensors of one shape [atoms, features] with "
            f"{n_atoms} atoms, but {kind} returned {shapes}"
        )


def _shape(value: Any) -> tuple[int, ...]:
    return tuple(value.shape) if isinstance(value, Tensor) else ()
