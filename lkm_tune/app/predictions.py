"""Predictions of a trained network for molecules of a file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lkm_tune.app.errors import user_errors
from lkm_tune.app.studies import Storage, storage_path
from lkm_tune.app.working_folder import look_in_working_folder
from lkm_tune.datasets import Molecules, build_store
from lkm_tune.datasets.smiles import read_smiles
from lkm_tune.graphs import MoleculeBatch
from lkm_tune.tracking import tracking_uri
from lkm_tune.training import TrainedModel


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a network predicts.

    Attributes:
        molecules: [M] their names.
        columns: [P] the targets with their units, as `qm9/homo [meV]`.
        values: [M, P] in these units.
    """

    molecules: tuple[str, ...]
    columns: tuple[str, ...]
    values: NDArray[np.float64]


def predict(
    model: str | Path,
    molecules: str | Path,
    storage: Storage = "lkm-runs",
    own_model: str | None = None,
    smiles: str = "smiles",
    forces: str | Path | None = None,
) -> Predictions:
    """Predicts properties of the molecules of a file.

    Args:
        model: a model.safetensors, a trial's name, or the id of an MLflow run.
        molecules: a file that ASE reads, or a table of SMILES (.csv).
        storage: the folder in which trials and runs are looked up.
        own_model: the name of a user's own model, whose code may be imported then.
        smiles: the column of a table.
        forces: where energies and forces are written as extended XYZ, if they are wanted.

    Raises:
        LkmTuneError: if there is no such model, or the network cannot be used on the molecules.
    """
    with user_errors():
        if own_model is not None:
            look_in_working_folder()
        trained = TrainedModel.load(find_model(str(model), storage_path(storage)), own_model)
        names, found = read_molecules(Path(molecules), smiles)
        values = predict_all(trained, found, None if forces is None else Path(forces))
    scales = trained.normaliser.scales
    learnt = [trained.task.name] if len(scales) == 1 else [scale.name for scale in scales]
    columns = [f"{name} [{scale.unit}]" for name, scale in zip(learnt, scales, strict=True)]
    return Predictions(tuple(names), tuple(columns), values)


def find_model(name: str, storage: Path) -> Path:
    """The file of a model given as a path, a trial's name, or the id of an MLflow run.

    Raises:
        FileNotFoundError: if it is none of these.
    """
    path = Path(name)
    if path.is_file():
        return path
    if path.is_dir() and (path / "model.safetensors").is_file():
        return path / "model.safetensors"
    trial = name if "/" in name else _trial_of_run(name, storage)
    found = sorted(storage.glob(f"studies/*/trials/{trial}/model.safetensors")) if trial else []
    if len(found) != 1:
        raise FileNotFoundError(
            f"{name} must be a model.safetensors, or the name of a complete trial or MLflow run "
            f"in {storage}, but {len(found)} models were found"
        )
    return found[0]


def _trial_of_run(name: str, storage: Path) -> str | None:
    # MLflow takes a second to import, which a path to a file does not need.
    from lkm_tune.tracking.reader import trial_of_run

    return trial_of_run(tracking_uri(storage), name)


def read_molecules(path: Path, smiles: str) -> tuple[list[str], Molecules]:
    """Names and molecules of a file: a table of SMILES (.csv), or whatever ASE reads.

    Args:
        path: the file.
        smiles: the column of a table that holds them.

    Raises:
        ValueError: if it cannot be read, or a molecule is empty or periodic.
    """
    if path.suffix.lower() == ".csv":
        molecules = read_smiles(path, (), smiles)
        return [f"line {number}" for number in molecules.ids], molecules
    frames = _frames(path)
    names = [
        str(frame.info.get("name", f"{number} {frame.get_chemical_formula()}"))
        for number, frame in enumerate(frames, start=1)
    ]
    molecules = Molecules(
        name=str(path),
        ids=np.arange(len(frames)),
        n_atoms=np.array([len(frame) for frame in frames]),
        z=np.concatenate([frame.numbers for frame in frames]).astype(np.uint8),
        pos=np.concatenate([frame.positions for frame in frames]).astype(np.float32),
        targets={},
    )
    return names, molecules


def _frames(path: Path) -> list[Any]:
    from ase.io import read
    from ase.io.formats import UnknownFileTypeError

    try:
        frames: Any = read(path, index=":")
    except (UnknownFileTypeError, ValueError, IndexError, KeyError, StopIteration) as error:
        raise ValueError(f"{path} cannot be read as molecules: {error}") from error
    for number, frame in enumerate(frames, start=1):
        if len(frame) == 0 or frame.pbc.any():
            what = "has no atoms" if len(frame) == 0 else "is periodic"
            raise ValueError(f"{path}: molecule {number} {what}; a model takes single molecules")
    if not frames:
        raise ValueError(f"{path} holds no molecules")
    return list(frames)


def predict_all(
    trained: TrainedModel, molecules: Molecules, forces: Path | None
) -> NDArray[np.float64]:
    """Predicts [M, P] in the targets' units; writes energies and forces to `forces` if given.

    Raises:
        ValueError: if the network needs positions that are not there, does not know an element,
            or has no forces.
    """
    if molecules.pos is None and getattr(trained.network, "needs_positions", True):
        raise ValueError(
            f"{trained.config.model} needs the positions of atoms, which a table of SMILES lacks"
        )
    store = build_store(molecules, trained.network.cutoff)
    size = trained.config.training.batch_size
    values, frames = [], []
    for begin in range(0, len(store), size):
        batch = store.batch(np.arange(begin, min(begin + size, len(store))))
        if forces is None:
            values.append(trained.predict(batch))
            continue
        energies, slopes = trained.predict_forces(batch)
        values.append(energies)
        frames += _with_forces(batch, energies[:, 0], slopes)
    if forces is not None:
        from ase.io import write

        write(forces, frames, format="extxyz")
    return np.concatenate(values)


def _with_forces(
    batch: MoleculeBatch, energies: NDArray[np.float64], forces: NDArray[np.float64]
) -> list[Any]:
    """Frames whose energy and forces are in the unit of the task, as their keys say."""
    from ase import Atoms

    frames = []
    for graph, energy in enumerate(energies):
        chosen = (batch.graph_index == graph).numpy()
        frame = Atoms(batch.z.numpy()[chosen], batch.pos.numpy()[chosen])
        frame.info["energy_predicted"] = float(energy)
        frame.arrays["forces_predicted"] = forces[chosen]
        frames.append(frame)
    return frames
