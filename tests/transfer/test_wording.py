import math

import pytest

from lkm_tune.transfer.json_data import json_value
from lkm_tune.transfer.wording import cost_text, gamma_text


@pytest.mark.parametrize(
    ("gamma", "text"),
    [(100.0, "100"), (31.6, "32"), (0.0123, "0.012"), (1e-4, "0.0001"), (0.0, "0"),
     (math.nan, "unknown")],
)  # fmt: skip
def test_gamma_has_two_digits_and_no_exponent_in_its_range(gamma, text):
    assert gamma_text(gamma) == text


@pytest.mark.parametrize(
    ("bound", "text"),
    [(0.0, "0.1"), (0.0228, "2.3"), (0.02301, "2.4"), (0.101, "11"), (0.995, ">99"),
     (math.inf, ""), (math.nan, "")],
)  # fmt: skip
def test_a_bound_is_rounded_up(bound, text):
    assert cost_text(bound) == text


def test_json_has_no_negative_zero():
    assert str(json_value([-0.0, -1e-20])) == "[0.0, -1e-20]"
