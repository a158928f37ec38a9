"""Examines trained networks of a study or of files: figures by layer, and pictures."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lkm_tune.app.errors import user_errors
from lkm_tune.app.events import Events
from lkm_tune.app.examined import Examined, draw, examine_all, to_json
from lkm_tune.app.predictions import find_model
from lkm_tune.app.shown_runs import side_by_side
from lkm_tune.app.studies import Storage, storage_path, stored_studies, study_names
from lkm_tune.app.working_folder import look_in_working_folder
from lkm_tune.ledger.study_folder import StudyFolder
from lkm_tune.ledger.trials import StudyTrials
from lkm_tune.search.trial_files import local_model

Files = Mapping[str, Path]
"""Label -> file of a trained network."""

SAMPLES = 256
"""Default number of validation samples."""


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """Networks that are compared with each other.

    Attributes:
        name: the cell; "" for files.
        networks: the networks with their figures.
        folder: the folder of their pictures; None if there are no pictures.
    """

    name: str
    networks: Sequence[Examined]
    folder: Path | None

    def to_json(self) -> list[dict[str, Any]]:
        """Every figure as plain data; a figure without a value is None."""
        return to_json(self.networks, self.name)


def diagnose(
    runs: Sequence[str] = (),
    storage: Storage = "lkm-runs",
    *,
    cell: str | None = None,
    samples: int = SAMPLES,
    methods: Sequence[str] = ("pca",),
    molecule: str | None = None,
    own_model: str | None = None,
    output: str | Path | None = None,
) -> Iterator[Diagnosis]:
    """Examines the effect of mixing inside networks.

    Args:
        runs: the name of a study (γ = 0, the best and the highest γ of each cell are compared), or
            trained networks: a model.safetensors, a folder of `lkm-tune train`, a trial's name or
            an MLflow run. Empty: the only study of the storage folder.
        storage: the storage folder.
        cell: only this cell of a study, such as `pamnet@qm9/gap@depth=2`.
        samples: number of validation samples.
        methods: methods of projection: "pca", "tsne", "umap".
        molecule: the molecule to draw: benzene, a formula, or its number in the dataset.
        own_model: the name of a user's model, whose code may then be imported.
        output: the folder of the pictures; None: the folders of a study's cells, or no pictures for
            files.

    Yields:
        One `Diagnosis` for each cell; one for files.

    Raises:
        LkmTuneError: if there is no such run or cell, or an argument is out of range.
    """
    with user_errors():
        if own_model is not None:
            look_in_working_folder()
        groups = _groups(runs, storage_path(storage), cell)
    for name, (files, place) in groups.items():
        folder = place if output is None else Path(output) / name
        with user_errors():
            examined = examine_all(files, samples, own_model)
            if folder is not None:
                draw(examined, folder, methods, molecule)
        yield Diagnosis(name, examined, folder)


def draw_cells(folder: StudyFolder, events: Events) -> None:
    """Draws the networks of a study after its run; `events` receives cells that cannot be drawn."""
    study = folder.read_study()
    own = {cell.key: cell.model for cell in study.cells} if study else {}
    try:
        for key, (files, place) in _cells(folder, None).items():
            # The code of the user's model has already run in this study.
            draw(examine_all(files, SAMPLES, own[key]), place, ("pca",))
    except (ValueError, FileNotFoundError) as error:
        events.remark(f"no pictures of the layers: {error}")


def _groups(
    runs: Sequence[str], storage: Path, cell: str | None
) -> Mapping[str, tuple[Files, Path | None]]:
    """Name of a comparison -> its networks, and the default folder of their pictures."""
    known = study_names(storage) if not runs else stored_studies(storage)
    names = list(runs) or known
    if not runs and len(known) > 1:
        raise ValueError(f"{storage} has several studies, name one: {', '.join(known)}")
    studies = [name for name in names if name in known]
    if studies and len(names) > 1:
        raise ValueError(f"a study must be the only argument, but got {', '.join(names)}")
    if studies:
        return _cells(StudyFolder(storage, studies[0]), cell)
    if cell is not None:
        raise ValueError(f"--cell needs a study, but {', '.join(names)} is no study")
    return {"": ({name: find_model(name, storage) for name in names}, None)}


def _cells(folder: StudyFolder, wanted: str | None) -> dict[str, tuple[Files, Path]]:
    study = folder.read_study()
    if study is None:
        raise FileNotFoundError(f"there is no study in {folder.path}")
    trials = StudyTrials.read(study, folder.ledger)
    names = {cell.address.lower(): cell for cell in study.cells}
    if wanted is not None and wanted.lower() not in names:
        raise ValueError(f"--cell must be one of {', '.join(names)}, but is {wanted}")
    found: dict[str, tuple[Files, Path]] = {}
    for name, cell in names.items():
        points = trials.records(cell, "curve")
        if wanted is not None and name != wanted.lower():
            continue
        if wanted is None and not any(point.state == "complete" for point in points):
            continue
        chosen = side_by_side(points)
        files = {label: local_model(folder, spec) for label, spec in chosen.items()}
        found[cell.key] = files, folder.cells / cell.key
    if not found:
        raise ValueError(f"no curve of {study.name} has a complete run yet")
    return found
