import pytest
import torch

from lkm_tune.datasets import MoleculeData


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
