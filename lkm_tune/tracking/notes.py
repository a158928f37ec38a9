"""Descriptions of a study's experiment and of its runs, for MLflow's pages."""

from lkm_tune.study import Cell

NOTE = "mlflow.note.content"
"""The tag that MLflow shows as a description, in Markdown."""

CURVE = "curve.html"
"""The file of a cell's run that draws the error against γ."""

REPORT_NOTE = (
    "The report of the study: open `report.html` under Artifacts. The CSV files are tables, "
    "`transfer.json` has its answers, `study.json` the study."
)


def experiment_note(study: str) -> str:
    """The description of a study's experiment."""
    return (
        f"The study **{study}** of lkm-tune: a run for each cell (a model on a task), child runs "
        "for its trials, and the run `report` with the report (`report.html` under Artifacts)."
    )


def cell_note(cell: Cell, sentence: str = "") -> str:
    """The description of a cell's run.

    Args:
        cell: The cell.
        sentence: The answer of its curve; "" before the analysis.
    """
    answer = (
        f"{sentence}\n\n`{CURVE}` under Artifacts draws its error against γ."
        if sentence
        else "The curve has not been analysed yet."
    )
    return (
        f"{answer}\n\n"
        f"The child runs of **{cell}** ({cell.n_train:,} training samples) are the trials of its "
        "search (`search 0007 γ=0.02`), of the search at γ = 0 (`control 0007`), and the "
        "points of its response curves, each trained over all epochs (`curve γ=0.01 seed=1`, "
        "`control curve seed=1`). `val/error` is the validation error by epoch, in the task's "
        "unit (tag `lkm.unit`). Draw `final/val_error` against the parameter `log10_gamma`. "
        "The run `report` has the report of the whole study."
    )
