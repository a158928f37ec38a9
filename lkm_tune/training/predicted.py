"""Predictions for every entry of a file, with reasons for entries without a prediction."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lkm_tune.datasets import MoleculeStore, build_store
from lkm_tune.datasets.own_file import FILE
from lkm_tune.datasets.rows import Rows
from lkm_tune.graphs import MoleculeBatch
from lkm_tune.training.trained import TrainedModel


@dataclass(frozen=True, eq=False)
class Forces:
    """Energy and forces of one molecule.

    Attributes:
        z: [A] atomic numbers.
        pos: [A, 3] positions in Å.
        energy: Energy in the target's unit.
        forces: [A, 3] in the target's unit per Å.
    """

    z: NDArray[np.int64]
    pos: NDArray[np.float64]
    energy: float
    forces: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class RowPredictions:
    """The predictions for the entries of a file.

    Attributes:
        names: [M] names of the entries.
        values: [M, P] in the targets' units; NaN without a prediction.
        reasons: Index of every entry without a prediction -> the reason.
        forces: Forces of the entries with a prediction, if requested.
    """

    names: tuple[str, ...]
    values: NDArray[np.float64]
    reasons: dict[int, str]
    forces: tuple[Forces, ...] = ()


def predict_rows(trained: TrainedModel, rows: Rows, with_forces: bool = False) -> RowPredictions:
    """Predicts every entry that the network can predict.

    Raises:
        ValueError: if the network needs positions that no entry has, or cannot predict forces.
    """
    values = np.full((len(rows.names), len(trained.normaliser.scales)), np.nan)
    reasons = dict(rows.reasons)
    forces: list[Forces] = []
    if rows.molecules is not None:
        if rows.molecules.pos is None and getattr(trained.network, "needs_positions", True):
            raise ValueError(
                f"{trained.config.model} needs the positions of atoms, which SMILES lack; a "
                "network trained with data.conformer: etkdg makes them"
            )
        store = build_store(rows.molecules, trained.network.cutoff)
        size = trained.config.training.batch_size
        for begin in range(0, len(store), size):
            chosen = np.arange(begin, min(begin + size, len(store)))
            for places, why in _together_or_alone(trained, store, chosen, with_forces):
                if isinstance(why, str):
                    reasons[int(store.ids[places[0]])] = why
                    continue
                energies, found = why
                values[store.ids[places]] = energies
                forces += [
                    replace(one, pos=rows.placed[int(store.ids[place])])
                    for place, one in zip(places, found, strict=bool(found))
                ]
    return RowPredictions(rows.names, values, reasons, tuple(forces))


def columns(trained: TrainedModel) -> list[str]:
    """The targets with their units, such as `qm9/homo [meV]`; no unit if it is unknown."""
    scales = trained.normaliser.scales
    names = [scale.name for scale in scales]
    if len(scales) == 1 and not trained.task.name.startswith(FILE):
        names = [trained.task.name]
    return [
        f"{name} [{scale.unit}]" if scale.unit else name
        for name, scale in zip(names, scales, strict=True)
    ]


def _together_or_alone(
    trained: TrainedModel, store: MoleculeStore, chosen: NDArray[np.int64], with_forces: bool
) -> Iterator[tuple[NDArray[np.int64], str | tuple[NDArray[np.float64], Sequence[Forces]]]]:
    """Predictions of molecules, with reasons; one by one if a molecule is refused."""
    batch = store.batch(chosen)
    try:
        if with_forces:
            energies, slopes = trained.predict_forces(batch)
            yield chosen, (energies, _by_molecule(batch, energies[:, 0], slopes))
        else:
            yield chosen, (trained.predict(batch), ())
    except ValueError as error:
        if len(chosen) == 1:
            yield chosen, str(error)
            return
        for place in chosen:
            yield from _together_or_alone(trained, store, np.array([place]), with_forces)


def _by_molecule(
    batch: MoleculeBatch, energies: NDArray[np.float64], slopes: NDArray[np.float64]
) -> Sequence[Forces]:
    found = []
    for graph, energy in enumerate(energies):
        chosen = (batch.graph_index == graph).numpy()
        pos = batch.pos.double().numpy()[chosen]
        found.append(Forces(batch.z.numpy()[chosen], pos, float(energy), slopes[chosen]))
    return found
