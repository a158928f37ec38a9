"""The page that a supervisor reads: the answer in words, then figures, tables and provenance."""

from __future__ import annotations

from base64 import b64encode
from collections import Counter
from importlib.resources import files
from typing import Any

import pandas as pd
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from lkm_tune.transfer.fit.answer import PAPER_GAMMA
from lkm_tune.transfer.fit.cells import CellKey
from lkm_tune.transfer.fit.drivers import drivers_sentence
from lkm_tune.transfer.fit.prediction_test import RULES, prediction_sentence, prediction_summary
from lkm_tune.transfer.report.answer import cell_sentence
from lkm_tune.transfer.report.curve_svg import curve_svg
from lkm_tune.transfer.report.matrix_svg import MARKS, key, matrix_svg, short_names
from lkm_tune.transfer.report.next_runs import what_would_change
from lkm_tune.transfer.report.overview import overview
from lkm_tune.transfer.report.report import TransferReport
from lkm_tune.transfer.wording import gamma_text, number_text, percent, short_text, span

_KEY = list(CellKey._fields)

MOST_ROWS = 300
"""Longer tables than this are cut, and say so."""

MOST_LINES = 20
"""Longer lists, too."""


def render(report: TransferReport) -> str:
    """The report as one HTML page that needs no network and no script."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.filters |= {
        "percent": percent, "gamma": gamma_text, "number": number_text,
        "short": short_text, "sentence": cell_sentence,
    }  # fmt: skip
    environment.globals |= {"span": span, "most_rows": MOST_ROWS, "most_lines": MOST_LINES}
    source = files("lkm_tune.transfer.report").joinpath("templates/report.html.j2")
    template = environment.from_string(source.read_text(encoding="utf-8"))
    summary = prediction_summary(report.predictions)
    return template.render(
        report=report,
        cells=_cells(report),
        overview=overview(report.answers),
        optima=report.answers,
        names=_names(report),
        regret=_longest(report.regret.sort_values("regret", ascending=False, kind="stable")),
        agreement=_longest(report.agreement),
        prediction=prediction_sentence(summary, report.margin),
        summary=summary.to_dict("records"),
        rules=RULES,
        drivers=report.drivers.to_dict("records"),
        drivers_sentence=drivers_sentence(report.drivers),
        importance=report.importance.to_dict("records"),
        changes=what_would_change(report),
        matrix=_matrix(report),
        marks=MARKS,
        key=key(len(report.optima)),
        paper_gamma=PAPER_GAMMA,
        provenance=_provenance(report) + _scales(report),
        trials=_trial_counts(report),
        pictures=_pictures(report),
    )


def _cells(report: TransferReport) -> list[dict[str, Any]]:
    curves, names = dict(list(report.curves.groupby(_KEY))), _names(report)
    return [
        {
            "short": names[answer.key],
            "sentence": cell_sentence(answer),
            "figure": Markup(curve_svg(curves[tuple(answer.key)], answer)),
        }
        for answer in report.answers
    ]


def _longest(table: pd.DataFrame) -> list[dict[Any, Any]]:
    """As many rows as a page can hold and a person read; the files have all."""
    return table.head(MOST_ROWS).to_dict("records")


def _names(report: TransferReport) -> dict[tuple[Any, ...], str]:
    return short_names({answer.key: answer.name for answer in report.answers})


def _matrix(report: TransferReport) -> Markup:
    if report.regret.empty:
        return Markup("")
    return Markup(matrix_svg(report.regret, _names(report)))


def _provenance(report: TransferReport) -> list[tuple[str, str]]:
    """Pairs of label and text; nested entries are written out one level."""
    rows = []
    for name, value in report.provenance.items():
        if isinstance(value, dict):
            value = "; ".join(f"{key}: {item}" for key, item in value.items())
        elif isinstance(value, list | tuple):
            value = ", ".join(map(str, value))
        rows.append((str(name).replace("_", " "), str(value)))
    return rows


def _scales(report: TransferReport) -> list[tuple[str, str]]:
    """What fixes the scale of γ: once when it is the same everywhere."""
    scales = [(answer.name, answer.scale) for answer in report.answers if answer.scale]
    if len({scale for _, scale in scales}) == 1:
        return [("scale of γ", scales[0][1])]
    return [(f"scale of γ, {name}", scale) for name, scale in scales]


def _pictures(report: TransferReport) -> list[tuple[str, str]]:
    """Titles with the pictures themselves, since the page stands alone."""
    return [
        (title, b64encode(path.read_bytes()).decode("ascii"))
        for title, path in report.pictures.items()
    ]


def _trial_counts(report: TransferReport) -> list[tuple[str, str, int]]:
    trials = report.trials
    phase = trials["phase"] if "phase" in trials else trials["status"].map(lambda _: "curve")
    counts = Counter(zip(phase.astype(str), trials["status"].astype(str), strict=True))
    return [(name, status, count) for (name, status), count in sorted(counts.items())]
