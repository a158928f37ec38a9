"""Predictions of a trained network for molecules of a file."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from lkm_tune.app.errors import user_errors
from lkm_tune.app.studies import Storage, storage_path
from lkm_tune.app.working_folder import look_in_working_folder
from lkm_tune.datasets.cleaning import Cleaning
from lkm_tune.datasets.rows import read_rows, suffix_of
from lkm_tune.datasets.table import text_of
from lkm_tune.tracking import tracking_uri
from lkm_tune.training import TrainedModel
from lkm_tune.training.predicted import Forces, RowPredictions, columns, predict_rows


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a network predicts.

    Attributes:
        molecules: [M] names of the entries of the file.
        columns: [P] the targets with their units, as `qm9/homo [meV]`.
        values: [M, P] in these units; NaN where there is no prediction.
        reasons: place of every entry without one, from 0, to why.
    """

    molecules: tuple[str, ...]
    columns: tuple[str, ...]
    values: NDArray[np.float64]
    reasons: Mapping[int, str]


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
        molecules: a table of SMILES (.csv, .tsv), SMILES (.smi), SDF, extended XYZ or another file
            that ASE reads, compressed or not; `-` for standard input.
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
        predicted = _of_file(trained, Path(molecules), smiles, forces is not None)
        if forces is not None:
            _write(Path(forces), predicted.forces)
    return Predictions(
        predicted.names, tuple(columns(trained)), predicted.values, predicted.reasons
    )


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


def _of_file(trained: TrainedModel, path: Path, smiles: str, with_forces: bool) -> RowPredictions:
    if str(path) == "-":
        with TemporaryDirectory() as folder:
            text = text_of(sys.stdin.buffer.read(), "standard input")
            copy = Path(folder) / f"standard-input{suffix_of(text)}"
            copy.write_text(text, encoding="utf-8")
            return _of_file(trained, copy, smiles, with_forces)
    rows = read_rows(path, smiles, Cleaning.of(trained.config.data))
    return predict_rows(trained, rows, with_forces)


def _write(path: Path, molecules: Sequence[Forces]) -> None:
    """Frames whose energy and forces are in the unit of the task, as their keys say."""
    from ase import Atoms
    from ase.io import write

    frames = []
    for one in molecules:
        frame = Atoms(one.z, one.pos)
        frame.info["energy_predicted"] = one.energy
        frame.arrays["forces_predicted"] = one.forces
        frames.append(frame)
    write(path, frames, format="extxyz")
