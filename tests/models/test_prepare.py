"""A prepared batch has every shape: nothing that a network computes waits for a GPU's numbers."""

from dataclasses import replace

import pytest
import torch
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeTensorMode,
)
from torch.func import functional_call

from lkm_tune.graphs import map_tensors
from lkm_tune.models import MODELS, fused, model_settings
from lkm_tune.models.output import MoleculeModel


@pytest.fixture
def batch(make_batch, molecules):
    return make_batch(list(molecules.values()))


@pytest.fixture
def without_numbers(monkeypatch):
    """Runs a network on tensors without numbers, as its function of parameters and a batch."""
    monkeypatch.setattr(fused, "kernels", lambda: None)

    def parts(model, batch, mode):
        named = {**dict(model.named_parameters()), **dict(model.named_buffers())}
        fake = {name: mode.from_tensor(tensor) for name, tensor in named.items()}
        return fake, map_tensors(batch, mode.from_tensor)

    return parts


@pytest.mark.parametrize(
    ("name", "settings"), [*((name, {}) for name in MODELS), ("gcn", {"pooling": "mean"})]
)
def test_a_step_needs_no_numbers(name, settings, make_model, batch, without_numbers):
    model = make_model(name, **settings)
    real, mode = model(batch), FakeTensorMode()
    fake, prepared = without_numbers(model, model.prepare(batch), mode)
    with mode:
        output = functional_call(model, fake, (prepared,))
        loss = output.prediction.sum() + sum(layer.square().mean() for layer in output.layers)
        wanted = [p for p in fake.values() if p.requires_grad]
        gradients = torch.autograd.grad(loss, wanted, allow_unused=True)
    assert [x.shape for x in output.layers] == [x.shape for x in real.layers]
    assert output.prediction.shape == real.prediction.shape
    assert sum(g is not None for g in gradients) > 5


def test_forces_need_no_numbers(spatial_name, make_model, batch, without_numbers):
    model, mode = make_model(spatial_name), FakeTensorMode()
    fake, prepared = without_numbers(model, model.prepare(batch), mode)
    with mode:
        pos = prepared.pos.detach().requires_grad_()
        energy = functional_call(model, fake, (replace(prepared, pos=pos),)).prediction
        (slope,) = torch.autograd.grad(energy.sum(), pos, create_graph=True)
        wanted = [p for p in fake.values() if p.requires_grad]
        gradients = torch.autograd.grad(slope.abs().sum(), wanted, allow_unused=True)
    assert slope.shape == batch.pos.shape
    assert sum(g is not None for g in gradients) > 5


def test_a_batch_that_is_not_prepared_needs_numbers(name, make_model, batch, without_numbers):
    # The tables of elements are constants of the network.
    model, mode = make_model(name), FakeTensorMode(allow_non_fake_inputs=True)
    fake, plain = without_numbers(model, batch, mode)
    with mode, pytest.raises((DataDependentOutputException, DynamicOutputShapeException)):
        functional_call(model, fake, (plain,))


def test_a_prepared_batch_serves_networks_with_equal_settings_alone(
    name, make_model, make_batch, molecules
):
    """Another network prepares the batch again."""
    radius = {"graph": "radius"} if "graph" in model_settings(name) else {}
    batch = make_batch([molecules["benzene"], molecules["methane"]])
    model, near = (make_model(name, cutoff=cutoff, **radius) for cutoff in (5.0, 1.5))
    prepared = model.prepare(batch)
    assert model.prepare(prepared) is prepared
    assert near.prepare(prepared) is not prepared
    assert torch.equal(near(prepared).prediction, near(batch).prediction)
    assert torch.equal(model(prepared).prediction, model(batch).prediction)


def test_a_network_without_a_preparation_gets_the_batch(batch):
    class Own(MoleculeModel):
        pass

    assert Own().prepare(batch) is batch
