"""The ticks of γ for ranges of every width."""

import numpy as np
import pytest

from lkm_tune.transfer.report.axes import Axes


@pytest.mark.parametrize(
    ("gammas", "ticks"),
    [
        ([1e-4, 100], ["0.0001", "0.001", "0.01", "0.1", "1", "10", "100"]),
        ([1e-6, 100], ["1e-06", "0.0001", "0.01", "1", "100"]),
        ([0.02, 0.3], ["0.02", "0.05", "0.1", "0.2"]),
        ([0.02, 0.07], ["0.02", "0.05"]),
        ([0.03, 0.04], ["0.03", "0.04"]),
        ([0.03], ["0.03"]),
        ([1.0], ["1"]),
    ],
)
def test_every_axis_has_ticks(gammas, ticks):
    drawn = Axes(np.array(gammas), (1.0, 2.0), "error").drawn()
    texts = [part.split(">")[1].split("<")[0] for part in drawn if part.startswith("<text x")]
    assert texts[: len(ticks) + 4][0] == "0"
    at = texts.index("γ")
    assert texts[at + 1 : at + 1 + len(ticks)] == ticks
    assert all("nan" not in part for part in drawn)
