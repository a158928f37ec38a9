"""Looks into trained networks: figures by layer and pictures, of a study or of single files."""

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
"""The files of trained networks by their labels."""

SAMPLES = 256
"""Of a task, looked at unless another number is asked for."""


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """Networks that are shown side by side.

    Attributes:
        name: the cell; "" for single files.
        networks: with their figures.
        folder: where their pictures lie; None if there are none.
    """

    name: str
    networks: Sequence[Examined]
    folder: Path | None

    def to_json(self) -> list[dict[str, Any]]:
        """Every figure as plain data; None stands for a figure that has no value."""
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
    output: Path | None = None,
) -> Iterator[Diagnosis]:
    """Shows what mixing did inside networks.

    Args:
        runs: the name of a study, of which γ = 0, the best and the highest γ of each cell are
            taken; or trained networks: a model.safetensors, a folder of `lkm-tune train`, a
            trial's name or an MLflow run. Empty: the only study of the storage folder.
        storage: the storage folder.
        cell: of a study only this cell, as `pamnet@qm9/gap@depth=2`.
        samples: validation samples to look at.
        methods: of projection: "pca", "tsne", "umap".
        molecule: to draw: benzene, a formula, or its number in the dataset.
        own_model: the name of a user's own model, whose code may be imported then.
        output: folder of the pictures; None: of a study beside its cells, of files nowhere.

    Yields:
        A cell after the other; one `Diagnosis` for single files.

    Raises:
        LkmTuneError: if there is no such run or cell, or an argument is out of range.
    """
    with user_errors():
        if own_model is not None:
            look_in_working_folder()
        groups = _groups(runs, storage_path(storage), cell)
    for name, (files, place) in groups.items():
        folder = place if output is None else output / name
        with user_errors():
            examined = examine_all(files, samples, own_model)
            if folder is not None:
                draw(examined, folder, methods, molecule)
        yield Diagnosis(name, examined, folder)


def draw_cells(folder: StudyFolder, events: Events) -> None:
    """Draws the networks of a study that was just run; `events` hears where that is impossible."""
    study = folder.read_study()
    own = {cell.key: cell.model for cell in study.cells} if study else {}
    try:
        for key, (files, place) in _cells(folder, None).items():
            # Code of the user's own has run in this study.
            draw(examine_all(files, SAMPLES, own[key]), place, ("pca",))
    except (ValueError, FileNotFoundError) as error:
        events.remark(f"no pictures of the layers: {error}")


def _groups(
    runs: Sequence[str], storage: Path, cell: str | None
) -> Mapping[str, tuple[Files, Path | None]]:
    """The networks to be shown side by side, by name, with where their pictures go by default."""
    known = study_names(storage) if not runs else stored_studies(storage)
    names = list(runs) or known
    if not runs and len(known) > 1:
        raise ValueError(f"there are several studies in {storage}, name one: {', '.join(known)}")
    studies = [name for name in names if name in known]
    if studies and len(names) > 1:
        raise ValueError(f"a study stands alone, but got {', '.join(names)}")
    if studies:
        return _cells(StudyFolder(storage, studies[0]), cell)
    if cell is not None:
        raise ValueError(f"--cell is of a study, but {', '.join(names)} is none")
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
