"""What MLflow's pages say in words: descriptions of a study's experiment and of its runs."""

from lkm_tune.study import Cell

NOTE = "mlflow.note.content"
"""The tag that MLflow shows as a description, in Markdown."""

CURVE = "curve.html"
"""The file of a cell's run with its error by γ."""

REPORT_NOTE = (
    "The report of the study: open `report.html` under Artifacts. Its tables are beside it as CSV, "
    "its answers as `transfer.json`, the study itself as `study.json`."
)


def experiment_note(study: str) -> str:
    """Of the experiment of a study."""
    return (
        f"The study **{study}** of lkm-tune: a run for each cell (a model on a task), with its "
        "trials under it, and the run `report` with the report (`report.html` under Artifacts)."
    )


def cell_note(cell: Cell, sentence: str = "") -> str:
    """Of the run of a cell.

    Args:
        cell: The cell.
        sentence: What its curve says; "" before it was analysed.
    """
    answer = (
        f"{sentence}\n\nIts error by γ is drawn in `{CURVE}` under Artifacts."
        if sentence
        else "Its curve has not been analysed yet."
    )
    return (
        f"{answer}\n\n"
        f"Under this run of **{cell}** ({cell.n_train:,} training samples): the trials of its "
        "search (`search 0007 γ=0.02`), those of the search at γ = 0 (`control 0007`), and the "
        "points of its response curves, each trained over all epochs (`curve γ=0.01 seed=1`, "
        "`control curve seed=1`). `val/error` is the validation error by epoch, in the task's "
        "unit (tag `lkm.unit`); `log10_gamma` is the parameter to draw `final/val_error` over. "
        "The report of the whole study is in the run `report`."
    )
