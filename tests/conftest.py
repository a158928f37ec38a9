"""What tests of several rooms share."""

import os
from pathlib import Path

import pytest


@pytest.fixture
def shared() -> Path:
    """The folder of whole public datasets, where it is there."""
    folder = os.environ.get("LKM_TUNE_DATA")
    if not folder:
        pytest.skip("needs whole public datasets: LKM_TUNE_DATA is not set")
    return Path(folder)
