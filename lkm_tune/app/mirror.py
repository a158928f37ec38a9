"""The curves and best networks of a study in MLflow."""

from lkm_tune.datasets import find_task
from lkm_tune.ledger.study_folder import StudyFolder
from lkm_tune.search.engine import Engine
from lkm_tune.study import Cell, Study
from lkm_tune.tracking import StudyRecorder
from lkm_tune.tracking.notes import CURVE
from lkm_tune.transfer.report.cell_page import cell_pages
from lkm_tune.transfer.report.report import TransferReport


def log_curves(
    report: TransferReport, study: Study, folder: StudyFolder, recorder: StudyRecorder
) -> None:
    """Adds the answer and the curve of every cell to its run."""
    for page in cell_pages(report):
        cell = study.find_cell(*page.key[:4])
        place = folder.cells / cell.key
        place.mkdir(parents=True, exist_ok=True)
        (place / CURVE).write_text(page.html, encoding="utf-8")
        recorder.log_curve(cell, place, page.sentence)


def finish_cell(engine: Engine, recorder: StudyRecorder, cell: Cell) -> None:
    """Ends the run of a cell, with its best network and with figures for comparisons."""
    metrics = {}
    if best := engine.best_model(cell):
        trial, file = best
        summary = engine.ledger.record(trial).summary
        metrics = {f"best/{name}": summary[name] for name in ("val_error", "test_error")}
        metrics["best/gamma"] = trial.settings["gamma"]
        task = find_task(cell.task, engine.study.data_plan(cell.task))
        inputs = "nodes" if task.classes else "atoms" if task.geometry else "smiles"
        unit = "class" if task.classes else task.unit
        recorder.log_model(trial, file, inputs, f"{cell.task} [{unit}]")
    recorder.finish_cell(cell, metrics)
