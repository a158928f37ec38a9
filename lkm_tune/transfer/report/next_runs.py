"""What would change the answer: the next runs that are worth their time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from lkm_tune.transfer.fit.cells import CellKey
from lkm_tune.transfer.fit.verdict import MOST_SEEDS, UNDECIDED
from lkm_tune.transfer.report.answer import COARSE
from lkm_tune.transfer.wording import gamma_text

if TYPE_CHECKING:
    from lkm_tune.transfer.report.report import TransferReport

_NAMED = 5
"""So many cells are named in a sentence; of more, only the number is given."""


def what_would_change(report: TransferReport) -> list[str]:
    """Sentences on which further runs could change what the report says, the cheapest first."""
    rows = report.optima.merge(report.details, on=list(CellKey._fields))
    found = [*_open_pairs(report.regret), *_edges(rows), *_few_seeds(rows), *_flat(rows)]
    found += _coarse(rows)
    if report.unsearched:
        names = _listed([f"{a.model} on {a.task}" for a in report.unsearched])
        found.append(f"Never searched, so only predicted: {names}.")
    return found


def _open_pairs(regret: pd.DataFrame) -> list[str]:
    left = regret[regret["verdict"] == UNDECIDED]
    if left.empty:
        return []
    near = left[left["seeds_needed"] <= MOST_SEEDS].sort_values("seeds_needed", kind="stable")
    if near.empty:
        return [
            f"{len(left)} of {len(regret)} pairs are open, and more seeds at the same γ are not"
            " what would settle them: a denser γ grid around the best γ may."
        ]
    row = near.iloc[0]
    within = int((near["seeds_needed"] <= 10).sum())
    return [
        f"{len(left)} of {len(regret)} pairs are open. The closest, the γ of"
        f" {CellKey(*row['source'])} in {CellKey(*row['target'])}, would take about"
        f" {row['seeds_needed']:.0f} further seeds in each cell; ten would settle about {within}."
    ]


def _edges(rows: pd.DataFrame) -> list[str]:
    return [
        f"{_key(row)}: the lowest error is at the end of the measured range, γ ="
        f" {gamma_text(row['gamma_best'])}; measure beyond it."
        for row in rows[rows["at_edge"].astype(bool) & (rows["diverged"] == "")].to_dict("records")
    ][:_NAMED]


def _few_seeds(rows: pd.DataFrame) -> list[str]:
    few = [str(_key(row)) for row in rows[rows["seeds"] < 3].to_dict("records")]
    return [f"Fewer than three seeds: {_listed(few)}."] if few else []


def _flat(rows: pd.DataFrame) -> list[str]:
    open_ = rows[rows["flat"].astype(bool) & ~rows["flat_within_margin"].astype(bool)]
    names = [str(_key(row)) for row in open_.to_dict("records")]
    return [f"No γ is told from another yet, more seeds may: {_listed(names)}."] if names else []


def _coarse(rows: pd.DataFrame) -> list[str]:
    coarse = rows[rows["step"] > COARSE]
    names = [
        f"{_key(row)} around {gamma_text(row['gamma_best'])}" for row in coarse.to_dict("records")
    ]
    if not names:
        return []
    return [f"More γ between those measured would show narrower dips: {_listed(names)}."]


def _key(row: dict[object, object]) -> CellKey:
    return CellKey(*(row[name] for name in CellKey._fields))  # type: ignore[arg-type]


def _listed(names: list[str]) -> str:
    more = len(names) - _NAMED
    return "; ".join(names[:_NAMED]) + (f"; and {more} more" if more > 0 else "")
