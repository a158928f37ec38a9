"""What the cells of a study begin with: the search's warm start, and the analysis' word on γ."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lkm_tune.ledger.ledger import Record
    from lkm_tune.ledger.study_folder import StudyFolder
    from lkm_tune.search.warm import WarmStart
    from lkm_tune.study import Cell, Study


def warm_start(study: "Study", folder: "StudyFolder") -> "WarmStart | None":
    """The warm start of a study that asks for one.

    Raises:
        ValueError: if its data cannot be had, or the ledger of another study is damaged.
    """
    if not study.search.warm_start:
        return None
    from lkm_tune.search.cost import by_cost
    from lkm_tune.search.warm import WarmStart, trials_elsewhere

    return WarmStart(by_cost(study), trials_elsewhere(folder, study), recommended)


def recommended(known: "Sequence[Record]", cell: "Cell") -> float | None:
    """The γ that the curves of other cells recommend for a cell; None if they say nothing.

    By validation errors: the test set of a task is not what settings are chosen on.
    """
    import pandas as pd

    from lkm_tune.transfer.fit.recommend import recommended_gamma

    points = [record for record in known if record.spec.phase == "curve"]
    rows = [
        {
            "study": record.spec.study,
            "model": record.spec.cell.variant,
            "task": record.spec.cell.task,
            # Unless depths are compared, a curve is at its cell's best one, whichever that is.
            "depth": dict(record.spec.cell.compared).get("depth", 0),
            "n_train": record.spec.cell.n_train,
            "gamma": record.spec.settings["gamma"],
            "seed": record.spec.seed,
            "val_error": record.summary.get("val_error"),
            "test_error": None,
            "status": record.state,
        }
        for record in points
        if record.state != "running"
    ]
    if not rows:
        return None
    return recommended_gamma(pd.DataFrame(rows), cell.variant, cell.task, cell.n_train)
