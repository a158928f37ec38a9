"""What other cells say on the settings of one, and which to try next beside what it says itself.

The log error of settings x in a cell is modelled as

    log e(x) = m + a c(x) + h(x) + noise,

c(x) what its kin claim: how far above the best of theirs x is, the mean over them; h a Gaussian
process (Matérn 5/2 over the unit cube of the space). So the cell's own trials correct the claim
where it is wrong (D. Golovin et al., Google Vizier, KDD 2017, on transfer), and a in [0, 1], the
trust in it, is that of the highest marginal likelihood: a claim that misleads is dropped after a
few trials.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lkm_tune.ledger.ledger import Record
from lkm_tune.study import Choice, Space

Array = NDArray[np.float64]
Settings = Mapping[str, Any]

_LENGTH = 0.4
"""Length scale as a fraction of every range."""

_SPREAD, _NOISE = 0.1, 0.02
"""Standard deviations of h and of the noise, in log error."""

_WORST = 0.4
"""So far above the best (half as much error again) all settings are alike: not worth a trial."""

_TRUST = (1.0, 0.75, 0.5, 0.25, 0.0)
"""Of equal likelihoods the first counts: one trial says nothing against a claim."""

_TREES = 100
_FEWEST = 4
"""Fewer complete trials of a cell say little on settings beside theirs."""


def in_unit_cube(settings: Sequence[Settings], space: Space) -> Array:
    """Settings as points [N, D]; a choice of V values has V coordinates."""
    return np.array([[x for name in space for x in _place(one, name, space)] for one in settings])


def _place(settings: Settings, name: str, space: Space) -> list[float]:
    values, range_ = settings[name], space[name]
    if isinstance(range_, Choice):
        # Two different values are as far from each other as the ends of a range.
        return [math.sqrt(0.5) * (values == value) for value in range_.values]
    low, high, at = float(range_.low), float(range_.high), float(values)
    if range_.log:
        low, high, at = math.log(low), math.log(high), math.log(at)
    return [(at - low) / (high - low) if high > low else 0.0]


def claims(
    kin: Sequence[tuple[float, Sequence[Record]]], candidates: Sequence[Settings], space: Space
) -> Array:
    """How far above its best each candidate is, in log error, by the trials of other cells.

    Args:
        kin: the weight of each other cell with its ended trials.
        candidates: settings.
        space: what was searched.

    Returns:
        The weighted mean over the cells, shape [N]; 0 where none has enough trials to say.
    """
    from sklearn.ensemble import ExtraTreesRegressor

    points = in_unit_cube(candidates, space)
    total, said = 0.0, np.zeros(len(candidates))
    for weight, records in kin:
        ended = [r for r in records if r.state in ("complete", "stopped")]
        if sum(r.state == "complete" for r in ended) < _FEWEST:
            continue
        trees = ExtraTreesRegressor(_TREES, min_samples_leaf=2, random_state=0)
        trees.fit(in_unit_cube([r.spec.settings for r in ended], space), log_errors(ended))
        found = trees.predict(points)
        said += weight * np.minimum(found - found.min(), _WORST)
        total += weight
    return said / total if total else said


def log_errors(records: Sequence[Record]) -> Array:
    """Log validation errors of ended trials, shape [N].

    A stopped trial ended early with more error than it would have had, but it was stopped for
    being among the worse ones: it counts as no better than half of the complete ones. One without
    an error counts as the worst.
    """
    known = [_log_error(r) for r in records if r.state == "complete"]
    middle = float(np.median(known)) if known else -math.inf
    found = np.array([max(_log_error(r), middle if r.state == "stopped" else -math.inf)
                      for r in records])  # fmt: skip
    ends = np.isfinite(found)
    worst = found[ends].max() if ends.any() else 0.0
    return np.where(ends, found, worst + _WORST)


def _log_error(record: Record) -> float:
    error = record.summary.get("val_error") or math.inf
    return math.log(error) if record.state in ("complete", "stopped") else math.inf


@dataclass(frozen=True)
class Tried:
    """Trials of the cell itself: points [N, D], what was claimed [N], log errors [N]."""

    points: Array
    claims: Array
    errors: Array


def next_candidate(points: Array, claimed: Array, tried: Tried, running: Tried) -> int:
    """Index of the candidate with the lowest error that may be expected, one deviation down.

    Args:
        points: of the candidates, shape [N, D].
        claimed: of the candidates, shape [N].
        tried: ended trials.
        running: trials that have not ended; their errors are taken to be as expected.
    """
    trust, expected = 1.0, running.claims
    if len(tried.errors):
        trust = max(_TRUST, key=lambda one: _fit(tried, one)[0].log_marginal_likelihood_value_)
        expected = _expect(*_fit(tried, trust), running.points, trust * running.claims)[0]
    known = Tried(
        np.concatenate([tried.points, running.points]),
        np.concatenate([tried.claims, running.claims]),
        np.concatenate([tried.errors, expected]),
    )
    if not len(known.errors):
        return int(np.argmin(claimed))
    mean, deviation = _expect(*_fit(known, trust), points, trust * claimed)
    return int(np.argmin(mean - deviation))


def _kernel() -> Any:
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern

    return ConstantKernel(_SPREAD**2) * Matern(_LENGTH, nu=2.5)


def _fit(tried: Tried, trust: float) -> tuple[Any, float]:
    """The process h, and the level m."""
    from sklearn.gaussian_process import GaussianProcessRegressor

    left = np.minimum(tried.errors, tried.errors.min() + _WORST) - trust * tried.claims
    level = float(np.median(left))
    process = GaussianProcessRegressor(_kernel(), alpha=_NOISE**2, optimizer=None)
    return process.fit(tried.points, left - level), level


def _expect(process: Any, level: float, points: Array, claimed: Array) -> tuple[Array, Array]:
    if not len(points):
        return np.zeros(0), np.zeros(0)
    mean, deviation = process.predict(points, return_std=True)
    return level + claimed + mean, deviation
