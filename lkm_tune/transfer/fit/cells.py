"""The runs of each cell, from the table of runs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd

from lkm_tune.transfer.fit.accidents import accidents
from lkm_tune.transfer.fit.cell_notes import (
    learning,
    note_accidents,
    note_design,
    note_left_out,
    note_missing,
)
from lkm_tune.transfer.fit.divergence import divergence, with_usable_control
from lkm_tune.transfer.fit.noise import Array, Information, seed_information
from lkm_tune.transfer.fit.noise_slope import NoiseSlope
from lkm_tune.transfer.fit.run_table import measured
from lkm_tune.transfer.fit.usable_rows import on_one_scale, without_repeats


class CellKey(NamedTuple):
    """A cell of the analysis: one architecture of one depth on one task with n_train samples.

    `protocol` is the digest of the protocol, "" if unknown. Cells of different protocols are
    compared, but their runs are never pooled.
    """

    model: str
    task: str
    depth: int
    n_train: int
    protocol: str = ""

    @property
    def order(self) -> tuple[str, ...]:
        """A key to sort cells by, in which m2 comes before m10."""
        return tuple(re.sub(r"\d+", lambda number: number[0].zfill(20), str(f)) for f in self)

    def __str__(self) -> str:
        """The name for people: `pamnet on qm9/homo (depth 4, 300 samples)`."""
        depth = f"depth {self.depth}, " if self.depth else ""
        return f"{self.model} on {self.task} ({depth}{self.n_train:,} samples)"


@dataclass(frozen=True)
class CurveRuns:
    """The finished full-budget runs of one cell, S seeds and J usable γ.

    Attributes:
        key: the cell.
        name: name for people, unique in the table.
        gammas: usable γ > 0, increasing, shape [J].
        seeds: S labels (study, seed): the first study that ran the seed.
        studies: every study that has runs of the cell.
        log_error: shape [S, 1 + J], the control first, NaN without a run.
        outcome: the column of the errors: `test_error`, or `val_error` without test errors.
        diverged: γ > 0 at which training diverges (`fit.divergence.diverges`).
        below: the nearest diverging γ below the usable range, if any.
        above: the nearest diverging γ above the usable range, if any.
        own_control: seed label -> log error of γ = 0 at the best settings of the control.
        kd_ratio: median of γ·L_KD / L_pred at each usable γ, shape [J], NaN where unknown.
        unit: unit of the error, "" if unknown.
        scale: the scale of γ, "" if unknown.
        of_mean: error at γ = 0 (without it, at the lowest γ) as a fraction of that of predicting
            the mean, NaN if unknown.
        notes: sentences on runs that are left out or suspicious.
    """

    key: CellKey
    name: str
    gammas: Array
    seeds: tuple[tuple[str, int], ...]
    studies: tuple[str, ...]
    log_error: Array
    outcome: str
    diverged: tuple[float, ...]
    below: float | None
    above: float | None
    own_control: dict[tuple[str, int], float]
    kd_ratio: Array
    unit: str
    scale: str
    of_mean: float
    notes: tuple[str, ...]

    @cached_property
    def usual(self) -> Array:
        """`log_error` of the runs that enter the fit, NaN for accidents."""
        return np.asarray(np.where(accidents(self.log_error), np.nan, self.log_error))

    @property
    def noise_places(self) -> Array:
        """log10 γ for the noise of a run, shape [1 + J]; γ = 0 counts as the lowest γ."""
        return np.asarray(np.log10(np.append(self.gammas[0], self.gammas)))

    def information(self, noise: NoiseSlope) -> dict[tuple[str, int], Information]:
        """Seed -> information on the curve, for seeds with at least two runs."""
        weights = noise.weights(self.noise_places)
        parts = {
            seed: seed_information(row, weights)
            for seed, row in zip(self.seeds, self.usual, strict=True)
        }
        return {seed: part for seed, part in parts.items() if part.dof > 0}


_USED = (
    *CellKey._fields,
    *("study", "gamma", "seed", "status", "val_error", "test_error"),
    *("val_mean_error", "test_mean_error", "kd_ratio", "unit", "scale", "until"),
)
"""The columns of a table of runs that a cell uses."""


def split_cells(runs: pd.DataFrame) -> Iterator[CurveRuns]:
    """The cells of a checked table (`check_runs`), in the order of their keys.

    Cells without an error at γ > 0 are left out; `unfinished_cells` names them.

    Args:
        runs: the table.
    """
    # pandas copies every column at each selection of rows.
    used = [name for name in runs if name in _USED]
    curve = runs.loc[runs["phase"] == "curve", used]
    controls = runs.loc[(runs["phase"] == "control_curve") & (runs["status"] == "complete"), used]
    depths = curve.groupby(["model", "task", "n_train"])["depth"].nunique()
    names = cell_names(runs)
    groups = ((cell_key(found), rows) for found, rows in curve.groupby(list(CellKey._fields)))
    for key, rows in sorted(groups, key=lambda group: group[0].order):
        if measured(rows).any():
            alone = depths[key.model, key.task, key.n_train] == 1
            own_control = _own_control(key, controls, rows, alone)
            yield _cell(key, names[key], rows, own_control)


def cell_names(runs: pd.DataFrame) -> dict[CellKey, str]:
    """A name for people for every cell of a checked table.

    The names of cells that differ only in their protocol contain the parts of `protocol_text`
    (separated by semicolons) that differ, or the protocol if there is no text.
    """
    fields = list(CellKey._fields)
    first = runs[runs["phase"] == "curve"].drop_duplicates(fields)
    texts = {
        cell_key(row): [part.strip() for part in str(text or "").split(";") if part.strip()]
        for *row, text in first[[*fields, "protocol_text"]].itertuples(index=False, name=None)
    }
    names = {}
    for key, parts in texts.items():
        alike = [texts[other] for other in texts if str(other) == str(key)]
        shared = set.intersection(*(set(other) for other in alike))
        differs = ", ".join(part for part in parts if part not in shared)
        names[key] = f"{key} [{differs or key.protocol}]" if len(alike) > 1 else str(key)
    return names


def cell_key(values: Iterable[object]) -> CellKey:
    """The key of a group of rows, from the values of its columns."""
    model, task, depth, n_train, protocol = values
    return CellKey(str(model), str(task), int(depth), int(n_train), str(protocol))  # type: ignore[call-overload]


def _cell(
    key: CellKey,
    name: str,
    rows: pd.DataFrame,
    own_control: pd.DataFrame,
) -> CurveRuns:
    notes: list[str] = []
    studies = tuple(sorted(set(rows["study"].astype(str))))
    rows, own_control = _with_one_label_a_seed(key, rows, own_control)
    rows = on_one_scale(without_repeats(rows, notes), notes)
    outcome = _outcome(rows, notes)
    done = rows[(rows["status"] == "complete") & (rows[outcome] > 0)]
    note_left_out(rows, done, outcome, notes)
    diverged, below, above = divergence(rows, done, outcome, notes)
    done = with_usable_control(rows, done, notes)
    gamma = done["gamma"]
    kept = done[(gamma == 0) | ((gamma > (below or 0.0)) & (gamma < (above or np.inf)))]
    # This code avoids pandas' pivot, which takes a second for a hundred cells.
    labels = [
        (str(study), int(seed)) for study, seed in zip(kept["study"], kept["seed"], strict=True)
    ]
    seeds = tuple(sorted(set(labels)))
    rows_of = {seed: i for i, seed in enumerate(seeds)}
    measured = np.union1d([0.0], kept["gamma"])
    log_error = np.full((len(seeds), len(measured)), np.nan)
    places = [rows_of[label] for label in labels], np.searchsorted(measured, kept["gamma"])
    log_error[places] = np.log(kept[outcome])
    gammas = measured[1:]
    note_design(seeds, studies, gammas, log_error, notes)
    # A look leaves runs out on purpose.
    if not (rows["until"] == "decided").any():
        note_missing(log_error, notes)
    note_accidents(seeds, measured, accidents(log_error), notes)
    of_mean = learning(done, outcome, notes)
    return CurveRuns(
        key, name, gammas, seeds, studies, log_error, outcome, diverged, below, above,
        _own_levels(own_control, outcome), _kd_ratio(kept, gammas),
        _common(rows, "unit", notes), _common(rows, "scale", notes), of_mean,
        tuple(f"{name}: {note}." for note in notes),
    )  # fmt: skip


def _with_one_label_a_seed(
    key: CellKey, rows: pd.DataFrame, own_control: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Labels all runs of a seed with one study, if the protocol is known."""
    if not key.protocol or len({*rows["study"], *own_control["study"]}) == 1:
        return rows, own_control
    first = rows.groupby("seed")["study"].min()
    one, other = (
        part.assign(study=part["seed"].map(first).fillna(part["study"]))
        for part in (rows, own_control)
    )
    return one, other


def _outcome(rows: pd.DataFrame, notes: list[str]) -> str:
    mixed = (rows["status"] == "complete") & (rows["gamma"] > 0)
    if (rows["test_error"][mixed] > 0).any():
        return "test_error"
    notes.append("no test error is known, so the validation error is used")
    return "val_error"


def _common(rows: pd.DataFrame, column: str, notes: list[str]) -> str:
    if column not in rows:
        return ""
    values = sorted({str(v) for v in rows[column].dropna() if str(v)})
    if len(values) > 1:
        notes.append(f"runs differ in {column} ({' | '.join(values)})")
    return " | ".join(values)


def _kd_ratio(kept: pd.DataFrame, gammas: Array) -> Array:
    if "kd_ratio" not in kept:
        return np.full(len(gammas), np.nan)
    return kept.groupby("gamma")["kd_ratio"].median().reindex(gammas).to_numpy(dtype=float)


def _own_control(
    key: CellKey, controls: pd.DataFrame, rows: pd.DataFrame, alone: bool
) -> pd.DataFrame:
    """Rows of the control at its best settings, of the studies that measured the curve.

    Its depth may differ from the curve's, unless there are curves of several depths. Its protocol
    may always differ, since it has other settings.
    """
    if controls.empty:
        return controls
    same = (controls["model"] == key.model) & (controls["task"] == key.task)
    same &= (controls["n_train"] == key.n_train) & controls["study"].isin(set(rows["study"]))
    return controls[same if alone else same & (controls["depth"] == key.depth)]


def _own_levels(rows: pd.DataFrame, outcome: str) -> dict[tuple[str, int], float]:
    if rows.empty:
        return {}
    rows = rows[(rows["gamma"] == 0) & (rows[outcome] > 0)]
    labels = zip(rows["study"].astype(str), rows["seed"].astype(int), strict=True)
    return dict(zip(labels, np.log(rows[outcome].to_numpy(dtype=float)).tolist(), strict=True))
