"""Studies with known truth, for the tests of the transfer analysis."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
import pytest

GAMMAS = (1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0)
Curve = Callable[[np.ndarray], np.ndarray]
Simulate = Callable[..., pd.DataFrame]


def peak(at: float, depth: float, width: float = 0.7) -> Curve:
    """Log error against log10 γ with its lowest point at γ = `at`, a gain of about `depth`."""
    return lambda x: -depth * np.exp(-0.5 * ((x - np.log10(at)) / width) ** 2)


def flat(level: float = 0.0) -> Curve:
    return lambda x: np.full_like(x, level)


def slope(a_decade: float) -> Curve:
    return lambda x: a_decade * (x + 1.5)


def cliff(at: float, depth: float) -> Curve:
    """A gain of `depth` from small γ on, and an error that doubles by γ = 1."""
    step = peak(at, depth)
    return lambda x: step(x) + np.minimum(0.7 * np.exp(2.5 * x), 2.0)


@pytest.fixture(scope="session")
def shapes() -> Mapping[str, Callable[..., Curve]]:
    return {"peak": peak, "flat": flat, "slope": slope, "cliff": cliff}


@pytest.fixture(scope="session")
def simulate() -> Simulate:
    def simulate(
        curves: Mapping[str, Curve],
        seeds: int = 4,
        noise: float = 0.006,
        gammas: Sequence[float] = GAMMAS,
        random: int = 0,
    ) -> pd.DataFrame:
        """Finished curve runs of one cell per model; each seed has another level."""
        rng = np.random.default_rng(random)
        rows = []
        for model, curve in curves.items():
            for seed in range(seeds):
                level = np.log(50) + rng.normal(0, 0.05)
                effect = np.concatenate([[0.0], curve(np.log10(gammas))])
                errors = np.exp(level + effect + rng.normal(0, noise, len(effect)))
                rows += [
                    ("study", model, "qm9/homo", 4, 300, gamma, seed, error, error, "complete")
                    for gamma, error in zip((0.0, *gammas), errors.tolist(), strict=True)
                ]
        columns = "study model task depth n_train gamma seed val_error test_error status"
        return pd.DataFrame(rows, columns=columns.split())

    return simulate
