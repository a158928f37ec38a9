"""The page of a report: decisions, then curves and the matrix; the rest is folded."""

from __future__ import annotations

from base64 import b64encode
from collections import Counter
from typing import Any

import pandas as pd
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from lkm_tune.transfer.fit.analysis import all_margins
from lkm_tune.transfer.fit.answer import PAPER_GAMMA, USE
from lkm_tune.transfer.fit.cells import CellKey
from lkm_tune.transfer.fit.drivers import drivers_sentence
from lkm_tune.transfer.fit.prediction_costs import RULES, prediction_sentence, prediction_summary
from lkm_tune.transfer.fit.verdict import UNDECIDED
from lkm_tune.transfer.report.matrix import MARKS, MEANINGS, counts, matrix
from lkm_tune.transfer.report.names import short_names
from lkm_tune.transfer.report.report import TransferReport
from lkm_tune.transfer.report.sentences import (
    cell_sentence,
    decision_sentence,
    detail_sentences,
)
from lkm_tune.transfer.report.study_sentences import (
    further_runs,
    general_sentences,
    shared_sentence,
)
from lkm_tune.transfer.report.style import style_sheet, template
from lkm_tune.transfer.wording import (
    at_most,
    estimate,
    gamma_text,
    margin_text,
    number_text,
    percent,
    short_text,
    span,
)

MOST_ROWS = 300
"""Longest table; the page cuts longer tables and says so."""

MOST_LINES = 20
"""Longest list."""

MOST_WITH_BOUNDS = 40
"""Largest matrix with numbers in its fields."""


def render(report: TransferReport) -> str:
    """The report as one HTML page that needs no network; scripts only sort its tables."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.filters |= {
        "percent": percent, "at_most": at_most, "gamma": gamma_text, "number": number_text,
        "short": short_text, "margin": margin_text, "sentence": cell_sentence,
    }  # fmt: skip
    environment.globals |= {
        "span": span,
        "estimate": estimate,
        "most_rows": MOST_ROWS,
        "most_lines": MOST_LINES,
    }
    names = short_names({answer.key: answer.name for answer in report.answers})
    summary = prediction_summary(report.predictions)
    missing = report.regret.loc[report.regret["verdict"] == UNDECIDED, "missing"]
    return environment.from_string(template("report.html.j2")).render(
        report=report,
        style=Markup(style_sheet()),
        script=Markup(template("sort.js")),
        all_cells=shared_sentence(report.shared, report.answers, report.margin, names),
        general=general_sentences(report.answers, report.margin, names),
        cells=_cells(report, names),
        names=names,
        used=USE,
        matrix=matrix(report.pairs, names, report.margin) if report.pairs else [],
        with_bounds=len(names) <= MOST_WITH_BOUNDS,
        by_margin={m: counts(report.pairs, m) for m in sorted(all_margins(report.margin))},
        regret=_longest(report.regret.sort_values("regret", ascending=False, kind="stable")),
        agreement=_longest(report.agreement),
        axes=report.axes.to_dict("records"),
        prediction=prediction_sentence(summary, report.margin),
        predicted=[
            (left_out, ways.to_dict("records"))
            for left_out, ways in summary.groupby("left_out", sort=False)
        ],
        rules=RULES,
        drivers=report.drivers.to_dict("records"),
        drivers_sentence=drivers_sentence(report.drivers),
        importance=report.importance.to_dict("records"),
        further=further_runs(report.answers, report.unsearched, Counter(missing)),
        marks=MARKS,
        meanings=MEANINGS,
        paper_gamma=PAPER_GAMMA,
        provenance=_provenance(report) + _scales(report),
        trials=_trial_counts(report),
        pictures=_pictures(report),
        printed=sorted(report.printed.items()),
    )


def _cells(report: TransferReport, names: dict[CellKey, str]) -> list[dict[str, Any]]:
    return [
        {
            "answer": answer,
            "short": names[answer.key],
            "decision": decision_sentence(answer),
            "details": detail_sentences(answer),
            "figure": Markup(report.figures[answer.key]),
        }
        for answer in report.answers
    ]


def _longest(table: pd.DataFrame) -> list[dict[Any, Any]]:
    """The first rows of a table, for the page; the files have all rows."""
    return table.head(MOST_ROWS).to_dict("records")


def _provenance(report: TransferReport) -> list[tuple[str, str]]:
    """Pairs of label and text, with one level of nested entries."""
    rows = []
    for name, value in report.provenance.items():
        if isinstance(value, dict):
            value = "; ".join(f"{key}: {item}" for key, item in value.items())
        elif isinstance(value, list | tuple):
            value = ", ".join(map(str, value))
        rows.append((str(name).replace("_", " "), str(value)))
    return rows


def _scales(report: TransferReport) -> list[tuple[str, str]]:
    """The scale of γ: one entry if all cells have the same scale."""
    scales = [(answer.name, answer.scale) for answer in report.answers if answer.scale]
    if len({scale for _, scale in scales}) == 1:
        return [("scale of γ", scales[0][1])]
    return [(f"scale of γ, {name}", scale) for name, scale in scales]


def _pictures(report: TransferReport) -> list[tuple[str, str]]:
    """Titles with embedded pictures, so that the page needs no other files."""
    return [
        (title, b64encode(path.read_bytes()).decode("ascii"))
        for title, path in report.pictures.items()
    ]


def _trial_counts(report: TransferReport) -> list[tuple[str, str, int]]:
    trials = report.trials
    phase = trials["phase"] if "phase" in trials else trials["status"].map(lambda _: "curve")
    counts = Counter(zip(phase.astype(str), trials["status"].astype(str), strict=True))
    return [(name, status, count) for (name, status), count in sorted(counts.items())]
