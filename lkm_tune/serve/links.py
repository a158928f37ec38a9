"""Links from a study to its MLflow experiment and to Ray's dashboard."""

from dataclasses import dataclass
from urllib.parse import quote

from lkm_tune.serve.cache import Entry
from lkm_tune.serve.settings import Settings


@dataclass(frozen=True)
class Links:
    """Addresses beside the page of a study; "" for an unknown one.

    Attributes:
        report: the report.
        mlflow: the experiments of MLflow, searched for the study's own.
        ray: Ray's dashboard.
    """

    report: str
    mlflow: str
    ray: str

    @classmethod
    def of(cls, settings: Settings, entry: Entry) -> "Links":
        """The links of a study."""
        view = entry.view
        name, experiment = quote(entry.name), view.experiment if view else ""
        return cls(
            report=f"/studies/{name}/report/report.html" if view and view.report else "",
            mlflow=settings.mlflow
            and experiment
            and f"{settings.mlflow}/#/experiments?experimentSearchFilter={quote(experiment)}",
            ray=settings.jobs,
        )
