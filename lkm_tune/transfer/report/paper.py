"""Comparison of a report with the figures of the paper (arXiv:2510.20236).

The figures come from the paper's abstract and summaries. Their networks, molecules and seeds, and
the choice of γ, are unknown. "Up to" in the paper marks the largest of several gains.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from lkm_tune.transfer.fit.answer import CellAnswer
from lkm_tune.transfer.fit.cells import CellKey
from lkm_tune.transfer.report.report import TransferReport

COLUMNS = (
    "claim", "published", "model", "task", "depth", "n_train", "ours", "low", "high", "agreement",
)  # fmt: skip

HIGHEST = 100.0
"""The γ for which the paper shows that strong mixing harms."""

AGREEMENTS = {
    True: {
        "inside": "as much as the most published",
        "below": "less than the most published",
        "above": "more than the most published",
    },
    False: {
        "inside": "the published figure is in the interval",
        "below": "less than published",
        "above": "more than published",
    },
}
"""Whether the published figure is the largest of several -> the words for an interval."""


@dataclass(frozen=True)
class Claim:
    """One published figure.

    Attributes:
        text: description of the figure.
        published: the figure as a fraction of the error.
        at_most: whether the figure is the largest of several.
        of: whether the figure concerns a given cell.
        ours: the same figure of a cell with the ends of its 95 % interval.
    """

    text: str
    published: float
    at_most: bool
    of: Callable[[CellKey], bool]
    ours: Callable[[TransferReport, CellAnswer], tuple[float, float, float]]


def _gain(report: TransferReport, answer: CellAnswer) -> tuple[float, float, float]:
    """The gain of the recommended γ; if that is 0, another γ may still gain `largest_gain`."""
    high = answer.largest_gain if answer.recommended == 0 else answer.gain_high
    return answer.gain, answer.gain_low, high


def _change_at_highest(report: TransferReport, answer: CellAnswer) -> tuple[float, float, float]:
    """The rise of the error from γ = 0 to γ = 100; NaN if it was not measured."""
    mine = report.curves.groupby(list(CellKey._fields)).get_group(tuple(answer.key))
    if not (mine.loc[mine["kind"] == "measured", "gamma"] == HIGHEST).any():
        return math.nan, math.nan, math.nan
    fitted = mine[mine["kind"] == "fitted"]
    there = int((fitted["gamma"] - HIGHEST).abs().to_numpy().argmin())
    errors = fitted[["error", "low", "high"]].to_numpy(dtype=float)[there]
    value, low, high = (errors / answer.control_error - 1).tolist()
    return value, low, high


def _on(*datasets: str) -> Callable[[CellKey], bool]:
    return lambda key: key.task.partition("/")[0] in datasets


def _deep(depth: int) -> Callable[[CellKey], bool]:
    return lambda key: key.depth == depth


CLAIMS = (
    Claim("gain on QM9, the most of twelve targets", 0.098, True, _on("qm9"), _gain),
    Claim(
        "gain in the energies of MD17, 1,000 samples, the most of its molecules",
        0.453, True, _on("md17", "rmd17"), _gain,
    ),
    Claim("gain on Chignolin", 0.229, False, _on("chignolin"), _gain),
    Claim("gain at 2 layers", 0.0571, False, _deep(2), _gain),
    Claim("gain at 6 layers", 0.0711, False, _deep(6), _gain),
    Claim("rise of the error at γ = 100", 0.1566, False, lambda key: True, _change_at_highest),
)  # fmt: skip


def against_paper(report: TransferReport) -> pd.DataFrame:
    """Every published figure with the figures of the cells that it concerns.

    Args:
        report: the report of one study.

    Returns:
        Columns `claim, published, model, task, depth, n_train, ours, low, high, agreement`: figures
        as fractions of the error, `low` and `high` the 95 % interval of `ours`, `agreement` the
        position of the published figure in words. Cells with an unknown figure have no row.
    """
    rows = []
    for claim in CLAIMS:
        for answer in report.answers:
            key = answer.key
            if not claim.of(key):
                continue
            value, low, high = claim.ours(report, answer)
            if math.isnan(value):
                continue
            rows.append(
                {
                    "claim": claim.text, "published": claim.published, "model": key.model,
                    "task": key.task, "depth": key.depth, "n_train": key.n_train,
                    "ours": value, "low": low, "high": high,
                    "agreement": _agreement(claim, low, high),
                }
            )  # fmt: skip
    return pd.DataFrame(rows, columns=COLUMNS)


def _agreement(claim: Claim, low: float, high: float) -> str:
    said = AGREEMENTS[claim.at_most]
    if math.isnan(low) or math.isnan(high):
        return "not enough seeds for an interval"
    if high < claim.published:
        return said["below"]
    return said["above"] if low > claim.published else said["inside"]
