"""Fits the curve of one cell to its runs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lkm_tune.transfer.fit.cells import CurveRuns
from lkm_tune.transfer.fit.curve import CurveModel
from lkm_tune.transfer.fit.noise import Array, Information, NoisePrior, pure_error, total
from lkm_tune.transfer.fit.noise_slope import NoiseSlope
from lkm_tune.transfer.fit.optimum import CellCurve, generator_of
from lkm_tune.transfer.fit.response_scale import ResponseScale, scale_for


@dataclass(frozen=True)
class Prepared:
    """The information of a cell on its response scale, independent of other cells."""

    runs: CurveRuns
    noise: NoiseSlope
    model: CurveModel
    response_scale: ResponseScale
    parts: dict[tuple[str, int], Information]
    everything: Information


def set_up_cell(runs: CurveRuns, noise: NoiseSlope, models: dict[bytes, CurveModel]) -> Prepared:
    """Prepare the fit of one cell.

    Args:
        runs: the runs of the cell.
        noise: change of its noise with γ.
        models: cache of one model per γ grid; the model of a new grid is added.
    """
    raw = runs.information(noise)
    grid = runs.gammas.tobytes()
    if grid not in models:
        models[grid] = CurveModel(np.log10(runs.gammas))
    model = models[grid]
    everything = total(raw.values()) if raw else _nothing(len(model.x))
    scale, at = scale_for(everything, np.sqrt(pure_error(everything).variance))
    parts = {seed: scale.information(part, at) for seed, part in raw.items()}
    return Prepared(runs, noise, model, scale, parts, scale.information(everything, at))


def fit_cell(cell: Prepared, prior: NoisePrior, lengths: Array, seed: int) -> CellCurve:
    """Fit the curve of one cell.

    Args:
        cell: the cell.
        prior: prior of the noise, from all cells.
        lengths: prior of the lengths of curves, from all cells (`curve.shared_prior`).
        seed: seed of the draws, which depend only on the seed and the cell.
    """
    runs, scale, parts = cell.runs, cell.response_scale, cell.parts
    fit = cell.model.fit(cell.everything, prior, lengths)
    shares = {k: part.dof / cell.everything.dof for k, part in parts.items()}
    if len(parts) < 2:
        return CellCurve(
            runs, cell.noise, scale, fit, None, {}, dict.fromkeys(parts, fit.mean), shares
        )
    choices = {k: _choice(cell, k, prior, lengths) for k in parts}
    control = scale.compress(np.zeros(int(fit.sees_control)))
    held_out = {
        k: np.append(fit.alone(part, cell.everything, shares[k]), control)
        for k, part in parts.items()
    }
    draws = fit.draw(generator_of(runs, seed))
    return CellCurve(runs, cell.noise, scale, fit, draws, choices, held_out, shares)


def _nothing(size: int) -> Information:
    return Information(np.zeros((size, size)), np.zeros(size), 0.0, 0, False)


def _choice(cell: Prepared, left_out: tuple[str, int], prior: NoisePrior, lengths: Array) -> int:
    others = total(part for seed, part in cell.parts.items() if seed != left_out)
    mean = cell.model.fit(others, prior, lengths).mean
    best = int(np.argmin(mean))
    if others.sees_control and mean[best] >= cell.response_scale.compress(np.zeros(1))[0]:
        return len(mean)
    return best
