"""Compares trained networks: figures, and pictures as files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from lkm_tune.app.study_report import PICTURE
from lkm_tune.datasets import MoleculeData
from lkm_tune.diagnostics import GradientNorms
from lkm_tune.diagnostics.environment import elements, environments
from lkm_tune.diagnostics.pictures import Cloud, cka_figure, projection_figure
from lkm_tune.diagnostics.projection import TITLES, Method, project
from lkm_tune.training import TrainingRun
from lkm_tune.training.examine import AtomStates, atom_states, find_molecule, gradients, reopen
from lkm_tune.training.samples import Indices
from lkm_tune.transfer.json_data import json_value

MOST_POINTS = 3000
"""Largest number of states in a projection: more overlap, and t-SNE takes minutes."""


@dataclass(frozen=True, eq=False)
class Examined:
    """A trained network on its validation samples.

    Attributes:
        label: its name in the comparison.
        run: the network with its data.
        looked_at: indices of these samples in their dataset.
        states: the states of the atoms.
        pull: gradient norms of the mixing term and of the prediction, on the samples of one
            training step.
    """

    label: str
    run: TrainingRun
    looked_at: Indices
    states: AtomStates
    pull: GradientNorms


def examine_all(
    files: Mapping[str, Path], samples: int, own_model: str | None = None
) -> list[Examined]:
    """Examines networks.

    Args:
        files: label -> model.safetensors.
        samples: number of samples, from the start of the validation part.
        own_model: the name of a user's model whose code may be imported.

    Raises:
        ValueError: if a file is no model, its data are missing, or `samples` is below 1.
    """
    if samples < 1:
        raise ValueError(f"--samples must be at least 1, but is {samples}")
    found = []
    runs = {label: reopen(path, own_model) for label, path in files.items()}
    gammas = {run.config.gamma for run in runs.values()}
    for name, run in runs.items():
        # If all γ differ, γ is a better label than a path.
        label = name if name.startswith("γ") or len(gammas) < len(runs) else _gamma(run)
        chosen = run.data.split.val[:samples]
        pull = gradients(run, chosen[: run.objective.micro_batch_size])
        found.append(Examined(label, run, chosen, atom_states(run, chosen), pull))
    return found


def _gamma(run: TrainingRun) -> str:
    return f"γ = {run.config.gamma:g}"


def to_json(examined: Sequence[Examined], group: str) -> list[dict[str, Any]]:
    """Every figure as plain data; a figure without a value is None."""
    return [
        {
            "group": group,
            "label": one.label,
            "model": one.run.config.model,
            "task": one.run.config.task,
            "gamma": one.run.config.gamma,
            "seed": one.run.config.seed,
            "layers": json_value(one.states.figures.to_dict()),
            "gradient_prediction": one.pull.prediction,
            "gradient_mixing": one.pull.mixing,
        }
        for one in examined
    ]


def draw(
    examined: Sequence[Examined], folder: Path, methods: Sequence[str], molecule: str | None = None
) -> list[Path]:
    """Writes the pictures over earlier pictures; returns their paths.

    Args:
        examined: the networks.
        folder: is created if it is missing.
        methods: methods of projection.
        molecule: the molecule to draw, for `find_molecule`.

    Raises:
        ValueError: if a method is unknown or not installed, or there is no such molecule.
    """
    pictures = {"cka": cka_figure({one.label: one.states.figures.cka for one in examined})}
    count = len(examined[0].looked_at)
    tested = [atom_states(one.run, one.run.data.split.test[:count]) for one in examined]
    scenes = {"test": ("test samples", tested)}
    if all(isinstance(one.run.data, MoleculeData) for one in examined):
        scenes["molecule"] = _one_molecule(examined, molecule)
    for method in methods:
        for name, (what, states) in scenes.items():
            pictures[f"{method}-{name}"] = _projection(examined, states, method, what)
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob(f"{PICTURE}*.png"):
        old.unlink()
    return [_save(figure, folder / f"{PICTURE}{name}.png") for name, figure in pictures.items()]


def _one_molecule(examined: Sequence[Examined], wanted: str | None) -> tuple[str, list[AtomStates]]:
    states, names = [], []
    for one in examined:
        data = one.run.data
        if isinstance(data, MoleculeData):
            index = find_molecule(data, wanted)
            states.append(atom_states(one.run, np.array([index])))
            names.append(f"molecule {data.store.ids[index]}")
    formula = _formula(states[0].kinds)
    return f"{formula} ({', '.join(dict.fromkeys(names))})", states


def _formula(z: Tensor) -> str:
    from ase.formula import Formula

    return str(Formula.from_list(elements(z)).format("hill"))


def _projection(
    examined: Sequence[Examined], states: Sequence[AtomStates], method: Any, what: str
) -> Figure:
    chosen: Method = method
    clouds = [_cloud(one, atoms, chosen) for one, atoms in zip(examined, states, strict=True)]
    return projection_figure(clouds, TITLES[chosen], what)


def _cloud(one: Examined, atoms: AtomStates, method: Method) -> Cloud:
    count = max(3, MOST_POINTS // len(atoms.layers))
    picked = np.linspace(0, len(atoms.kinds) - 1, min(count, len(atoms.kinds))).astype(int)
    points = project([layer[picked] for layer in atoms.layers], method, one.run.config.seed)
    if isinstance(one.run.data, MoleculeData):
        around = environments(atoms.kinds, atoms.edges)
        names = {"element": elements(atoms.kinds), "environment": around}
    else:
        names = {"class": [str(kind) for kind in atoms.kinds.tolist()]}
    kinds = {kind: [every[i] for i in picked] for kind, every in names.items()}
    return Cloud(one.label, points, kinds)


def _save(figure: Figure, path: Path) -> Path:
    figure.savefig(path, dpi=110)
    return path
