"""The style sheet of a report, which the pages of `lkm-tune serve` share."""

from importlib.resources import files

from lkm_tune.transfer.report.palette import STYLE


def style_sheet() -> str:
    """The colours and the rules of a report."""
    return STYLE + template("report.css")


def template(name: str) -> str:
    """A file of the folder `templates`."""
    source = files("lkm_tune.transfer.report").joinpath(f"templates/{name}")
    return source.read_text(encoding="utf-8")
