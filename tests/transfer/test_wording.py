import math

import pytest

from lkm_tune.transfer.wording import gamma_text


@pytest.mark.parametrize(
    ("gamma", "text"),
    [(100.0, "100"), (31.6, "32"), (0.0123, "0.012"), (1e-4, "0.0001"), (0.0, "0"),
     (math.nan, "unknown")],
)  # fmt: skip
def test_gamma_has_two_digits_and_no_exponent_in_its_range(gamma, text):
    assert gamma_text(gamma) == text
