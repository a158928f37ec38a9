import pytest
import torch

from lkm_tune.datasets import MoleculeData
from lkm_tune.training import TrainingRun


@pytest.fixture
def build(request, tmp_path_factory):
    """Builds the run of a config; a test with a whole public dataset needs that dataset."""
    cache = tmp_path_factory.mktemp("cache")

    def run(config):
        if config.data.source is None:
            request.getfixturevalue("shared")
        return TrainingRun(config, cache=cache)

    return run


@pytest.fixture
def exactly(monkeypatch):
    """Runs in double precision, where rounding cannot hide an error or look like one.

    Adam divides a gradient by its size, so in single precision the rounding of a gradient near zero
    moves a weight as far as a true gradient does.
    """
    batch = MoleculeData.batch

    def doubled(self, *arguments):
        molecules, target = batch(self, *arguments)
        return molecules.to(dtype=torch.float64), target.double()

    monkeypatch.setattr(MoleculeData, "batch", doubled)

    def exact(runs):
        for run in runs:
            for part in (run.model, run.averaged.network, run.mixing):
                part.double()
        return runs

    return exact
