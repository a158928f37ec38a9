"""The effect of several looks: simulated studies that get seeds until they are decided.

    python -m tests.benchmarks.optional_stopping FILE [STUDIES [FIRST [WAY ...]]]

appends a line a study and way to FILE (CSV) and prints the table of docs/transfer.md. The looks,
the racing, the half-steps and the verdicts are those of the product; the runs are simulated.
"""

import csv
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from lkm_tune.ledger.trial_record import TrialRecord
from lkm_tune.search.judgement import WIDE, judge_curves, points_table, rate_at_stop
from lkm_tune.search.looks import Judge, Judgement, LookPlan, Looks, Point
from lkm_tune.study import Cell, CurvePlan, Study, TrialSpec
from lkm_tune.study.plan import ReportPlan
from lkm_tune.transfer.fit.analysis import compare, fit_cells
from lkm_tune.transfer.fit.run_table import check_runs
from tests.transfer.fit.simulated_studies import (
    CELLS,
    DIVERGES,
    KINDS,
    Kind,
    Truth,
    judge_pair,
    random_of,
)

DESIGNS = ((0.02, 0.02), (0.05, 0.05))
"""Noise of a run, and margin."""

FIRST = 200_000
"""Studies from this number on had no part in the choice of the rule."""


@dataclass(frozen=True)
class Way:
    """How a study spends its runs: the curve of its file, and what a look may do."""

    curve: CurvePlan
    racing: bool = True
    half_steps: bool = True


WAYS: Mapping[str, Way] = {
    "naive": Way(CurvePlan()),
    "guarantee": Way(CurvePlan(guarantee=True)),
    "no racing": Way(CurvePlan(), racing=False),
    "no half-steps": Way(CurvePlan(), half_steps=False),
    "12 seeds at once": Way(CurvePlan(seeds=12, until="seeds")),
    "naive, up to 40": Way(CurvePlan(max_seeds=40)),
    "guarantee, up to 40": Way(CurvePlan(max_seeds=40, guarantee=True)),
}


class Nature:
    """The truth of the cells of one study, and what each run of them gives."""

    def __init__(self, kind: Kind, noise: float, study: int, seeds: int) -> None:
        rng = random_of(kind, noise, seeds, study)
        self._kind = kind
        self.truth = {f"m{i}": Truth(rng, kind) for i in range(CELLS)}
        self._place = {gamma: i for i, gamma in enumerate((0.0, *_with_half_steps(kind.gammas)))}
        shape = (CELLS, seeds, len(self._place))
        levels = rng.normal(0, 0.05, (CELLS, seeds, 1)) + np.log(50)
        self._log_error = kind.noise(rng, shape, noise) + levels
        self._there = rng.random(shape) >= kind.missing

    def run(self, cell: Cell, gamma: float, seed: int) -> TrialRecord:
        at = list(self.truth).index(cell.model), seed - 1, self._place[gamma]
        truth, state = self.truth[cell.model], "complete"
        if not self._there[at]:
            state = "failed"
        elif truth.shape == "diverging" and gamma > DIVERGES:
            state = "diverged"
        effect = float(truth.curve(np.log10(gamma))) if gamma else 0.0
        error = float(np.exp(self._log_error[at] + effect))
        summary = {"val_error": error, "test_error": error} if state == "complete" else {}
        spec = TrialSpec("s", cell, "curve", 0, {"gamma": gamma}, seed, 1)
        return TrialRecord(spec, state, summary=summary)


def _with_half_steps(gammas: Sequence[float]) -> tuple[float, ...]:
    """The measured γ and all that looks may add between them."""
    every = sorted(gammas)
    while new := [
        float(f"{(low * high) ** 0.5:.3g}") for low, high in pairwise(every) if high / low >= WIDE
    ]:
        every = sorted([*every, *new])
    return tuple(every)


def _judge_of(way: Way) -> Judge:
    """The product's judgement, without what the way leaves out."""

    def judge(records: Sequence[TrialRecord], plan: LookPlan) -> Judgement:
        found = judge_curves(records, plan)
        if not way.racing:
            of_cell = {key: [r for r in records if r.spec.cell.key == key] for key in found.gammas}
            every = {
                key: tuple(sorted({r.spec.settings["gamma"] for r in runs}))
                for key, runs in of_cell.items()
            }
            found = replace(found, gammas=every)
        return found if way.half_steps else replace(found, half_steps={})

    return judge


def played(kind: Kind, noise: float, margin: float, way: Way, number: int) -> dict[str, int]:
    """Counts of one study that is run to its end."""
    nature = Nature(kind, noise, number, seeds=40)
    study = Study(
        "s", {model: {} for model in nature.truth}, ("qm9/homo",),
        curve=replace(way.curve, gammas=(0.0, *kind.gammas)), report=ReportPlan(margin),
    )  # fmt: skip
    looks, cells = Looks(study, _judge_of(way)), {cell.key: cell for cell in study.cells}
    ended: dict[str, dict[Point, TrialRecord]] = {key: {} for key in cells}
    while True:
        points, taken = looks.plan(ended, searched=True)
        new = [(key, point) for key in points for point in points[key] if point not in ended[key]]
        if not new:
            break
        for key, point in new:
            ended[key][point] = nature.run(cells[key], *point)
    records = [ended[key][point] for key in sorted(points) for point in sorted(points[key])]
    fitted = fit_cells(check_runs(points_table(records)), seed=0)
    pairs = [
        judge_pair(
            pair.verdict.verdict, pair.gamma, nature.truth[pair.target.model], margin,
            pair.regret.low, pair.regret.high, pair.regret.bound,
        )
        for pair in compare(fitted, margin, rate=rate_at_stop(study, taken))
    ]  # fmt: skip
    clear = [pair for pair in pairs if pair["clear"]]
    return {
        "runs": len(records),
        "looks": len(taken),
        "pairs": len(pairs),
        "decided": sum(bool(pair["decided"]) for pair in pairs),
        "wrong": sum(bool(pair["wrong"]) for pair in pairs),
        "clear": len(clear),
        "clear_decided": sum(bool(pair["decided"]) for pair in clear),
    }


def studies(numbers: range, ways: Sequence[str] = tuple(WAYS)) -> Iterator[dict[str, object]]:
    """A row for each study, kind, design and way; every way has the same truth and noise."""
    for number in numbers:
        for name, kind in KINDS.items():
            for noise, margin in DESIGNS:
                for way in ways:
                    row = {"study": number, "kind": name, "noise": noise, "way": way}
                    yield row | played(kind, noise, margin, WAYS[way], number)


def table(rows: pd.DataFrame, by: Sequence[str] = ("noise", "way")) -> str:
    """Shares of each design and way, wrong verdicts with their 95 % binomial interval."""
    lines = []
    for group, part in rows.groupby(list(by), sort=False):
        sums = part[["runs", "pairs", "decided", "wrong", "clear", "clear_decided"]].sum()
        low, high = binomtest(sums["wrong"], max(sums["decided"], 1)).proportion_ci()
        lines.append(
            f"| {' | '.join(map(str, group))} | {len(part)} | {sums['wrong']} of {sums['decided']}"
            f" ({100 * low:.1f} to {100 * high:.1f} %) | {sums['decided'] / sums['pairs']:.0%} | "
            f"{sums['clear_decided'] / max(sums['clear'], 1):.0%} of {sums['clear']} | "
            f"{sums['runs'] / len(part):.0f} |"
        )
    return "\n".join(lines)


def main(file: str, count: str = "1", first: str = str(FIRST), *ways: str) -> None:
    path, numbers = Path(file), range(int(first), int(first) + int(count))
    for row in studies(numbers, ways or tuple(WAYS)):
        new = not path.exists()
        with path.open("a", encoding="utf-8", newline="") as held:
            writer = csv.DictWriter(held, row)
            if new:
                writer.writeheader()
            writer.writerow(row)
    print(table(pd.read_csv(path)))  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
