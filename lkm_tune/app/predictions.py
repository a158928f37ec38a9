"""Predictions of a trained network for molecules of a file."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from shutil import copyfileobj
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from lkm_tune.app.errors import user_errors
from lkm_tune.app.studies import Storage, storage_path
from lkm_tune.app.working_folder import look_in_working_folder
from lkm_tune.datasets.cleaning import Cleaning
from lkm_tune.datasets.rows import read_rows, suffix_of
from lkm_tune.datasets.table import read_text
from lkm_tune.ledger.study_folder import study_folders
from lkm_tune.ledger.study_identity import StudyIdentity
from lkm_tune.tracking import tracking_uri
from lkm_tune.training import TrainedModel
from lkm_tune.training.predicted import Forces, RowPredictions, columns, predict_rows


@dataclass(frozen=True, eq=False)
class Predictions:
    """The predictions of a network.

    Attributes:
        molecules: [M] names of the file's entries.
        columns: [P] the targets with their units, such as `qm9/homo [meV]`.
        values: [M, P] in these units; NaN without a prediction.
        reasons: index of every entry without a prediction, from 0 -> the reason.
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
        storage: the storage folder of the trials and runs.
        own_model: the name of a user's model, whose code may then be imported.
        smiles: the column of SMILES in a table.
        forces: the extended XYZ file for energies and forces; None writes none.

    Raises:
        LkmTuneError: if there is no such model, or the network cannot predict such molecules.
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
        FileNotFoundError: if there is no such model.
    """
    path = Path(name)
    if path.is_file():
        return path
    if path.is_dir() and (path / "model.safetensors").is_file():
        return path / "model.safetensors"
    if "/" in name:
        found = sorted(storage.glob(f"studies/*/trials/{name}/model.safetensors"))
    else:
        found = _models_of_run(storage, name)
    if len(found) != 1:
        raise FileNotFoundError(
            f"{name} must be a model.safetensors, or the name of a complete trial or MLflow run "
            f"in {storage}, but {len(found)} models were found"
        )
    return found[0]


def _models_of_run(storage: Path, run_id: str) -> list[Path]:
    # A path needs no MLflow, whose import takes a second.
    from lkm_tune.tracking.reader import trial_of_run

    of_run = trial_of_run(tracking_uri(storage), run_id)
    if of_run is None:
        return []
    trial, uuid = of_run
    found = []
    for folder in study_folders(storage):
        own = StudyIdentity.read(folder.path, folder.path.name)
        model = folder.path / "trials" / trial / "model.safetensors"
        # The same trial of another study folder is another network.
        if model.is_file() and (uuid is None or (own is not None and own.uuid == uuid)):
            found.append(model)
    return found


def _of_file(trained: TrainedModel, path: Path, smiles: str, with_forces: bool) -> RowPredictions:
    if str(path) == "-":
        with TemporaryDirectory() as folder:
            whole = Path(folder) / "standard-input"
            with whole.open("wb") as file:
                copyfileobj(sys.stdin.buffer, file)
            text = read_text(whole, "standard input")
            copy = Path(folder) / f"standard-input{suffix_of(text)}"
            copy.write_text(text, encoding="utf-8")
            return _of_file(trained, copy, smiles, with_forces)
    rows = read_rows(path, smiles, Cleaning.of(trained.config.data))
    return predict_rows(trained, rows, with_forces)


def _write(path: Path, molecules: Sequence[Forces]) -> None:
    """Writes frames with energy and forces; the keys contain the units."""
    from ase import Atoms
    from ase.io import write

    frames = []
    for one in molecules:
        frame = Atoms(one.z, one.pos)
        frame.info["energy_predicted"] = one.energy
        frame.arrays["forces_predicted"] = one.forces
        frames.append(frame)
    write(path, frames, format="extxyz")
