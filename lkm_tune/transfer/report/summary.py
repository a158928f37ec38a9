"""The texts of a report for a terminal, as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from lkm_tune.transfer import SCHEMA_VERSION
from lkm_tune.transfer.fit.analysis import Pair, all_margins
from lkm_tune.transfer.fit.answer import CellAnswer
from lkm_tune.transfer.fit.cells import CellKey
from lkm_tune.transfer.fit.shared_gamma import SharedGamma
from lkm_tune.transfer.json_data import json_value
from lkm_tune.transfer.report.matrix import MARKS, counts, legend, matrix
from lkm_tune.transfer.report.names import short_names
from lkm_tune.transfer.report.sentences import (
    cell_line,
    cell_sentence,
)
from lkm_tune.transfer.report.study_sentences import general_sentences, shared_sentence
from lkm_tune.transfer.wording import margin_text

MOST_IN_MATRIX = 12
"""Largest number of cells for a matrix on a terminal."""

_OWN_MARGIN = ("harm_start", "flat_within_margin", "missing")
"""Fields of an answer that are known only at the margin of its report."""


def answer_record(answer: CellAnswer) -> dict[str, Any]:
    """An answer as JSON data (unknown numbers are None), with its texts.

    `sentence` has the answer in words; `line` holds name, decision, gain and exclusion.
    """
    record = {name: json_value(value) for name, value in asdict(answer).items()}
    return {
        "schema_version": SCHEMA_VERSION,
        **record,
        "predicted": answer.predicted,
        "sentence": cell_sentence(answer),
        "line": [answer.name, *cell_line(answer)],
    }


def summary(
    answers: Sequence[CellAnswer],
    pairs: Sequence[Pair],
    shared: SharedGamma | None,
    margin: float,
    remarks: Sequence[str],
) -> dict[str, Any]:
    """The texts for `terminal.summary_lines`.

    Returns:
        `margin`: the margin of the report. `by_margin`: margin -> short name, decision, gain and
        exclusion of each cell (`lines`), the fields of each answer that differ at this margin
        (`answers`), the sentence on all cells (`all`), the legend of the signs (`legend`), the
        number of pairs with each sign (`counts`), and the fields of the matrix (`matrix`, empty if
        there is no room). `remarks`: sentences.
    """
    names = short_names({answer.key: answer.name for answer in answers})
    return {
        "margin": margin,
        "by_margin": {
            f"{m:g}": {
                "margin": margin_text(m),
                "lines": [[names[a.key], *cell_line(a.at_margin(m))] for a in answers],
                "answers": [_changed(answer, m) for answer in answers],
                "all": shared_sentence(shared, answers, m, names),
                "legend": legend(m),
                "counts": {MARKS[v]: n for v, n in counts(pairs, m).items()},
                "matrix": _matrix(pairs, names, m),
            }
            for m in all_margins(margin)
        },
        "remarks": [
            *general_sentences(answers, margin, names),
            *(_shortened(remark, answers, names) for remark in remarks),
        ],
    }


def _changed(answer: CellAnswer, margin: float) -> dict[str, Any]:
    """The fields of the record of an answer that differ at another margin than its own."""
    own, other = answer_record(answer), answer_record(answer.at_margin(margin))
    if margin != answer.margin:
        other |= dict.fromkeys(_OWN_MARGIN)
    return {name: value for name, value in other.items() if value != own[name]}


def _matrix(pairs: Sequence[Pair], names: dict[CellKey, str], margin: float) -> list[list[str]]:
    if not pairs or len(names) > MOST_IN_MATRIX:
        return []
    return [
        [f"{field.mark} {field.cost}".strip() for field in row]
        for row in matrix(pairs, names, margin)
    ]


def _shortened(remark: str, answers: Sequence[CellAnswer], names: dict[CellKey, str]) -> str:
    for answer in sorted(answers, key=lambda a: len(a.name), reverse=True):
        remark = remark.replace(answer.name, names[answer.key])
    return remark
