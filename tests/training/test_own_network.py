"""Users' networks with unusual creation of weights, and networks that need whole batches."""

import sys
from dataclasses import replace

import pytest
import torch

from lkm_tune.graphs import batch_from_arrays
from lkm_tune.study import DataPlan, RunConfig, TrainingPlan
from lkm_tune.training import TrainedModel, TrainingRun, save_model

SOURCE = """
import os
import random
import numpy as np
import torch
from torch import nn
from lkm_tune.models import ModelOutput, sum_over_atoms

class Net(nn.Module):
    def __init__(self, width=8, second=8):
        super().__init__()
        self.embedding = nn.Embedding(10, width)
        self.first, self.second = nn.Linear(width, width), nn.Linear(width, second)
        self.head, self.mid, self.norm = nn.Linear(second, 1), None, nn.Identity()
        self.made_late = self.imports = False

    def forward(self, batch):
        if self.imports:
            import a_package_that_is_missing
        h = self.embedding(batch.z)
        if self.made_late and self.mid is None:
            self.mid = nn.Linear(h.shape[1], h.shape[1])
        h = self.mid(h) if self.mid is not None else h
        a = torch.tanh(self.first(h))
        b = torch.tanh(self.second(a))
        return ModelOutput(self.head(self.norm(sum_over_atoms(b, batch))), [a, b])

def changed(**parts):
    net = Net()
    for name, part in parts.items():
        setattr(net, name, part)
    return net

def weighted(values):
    net = Net()
    net.head.weight.data = torch.tensor(values, dtype=torch.float32)[None]
    return net

def by_numpy(): return weighted(np.random.randn(8))
def by_random(): return weighted([random.random() for _ in range(8)])
def by_nobody(): return weighted(list(os.urandom(8)))
def by_an_unseeded_generator(): return weighted(np.random.default_rng().normal(size=8))
def late(): return changed(made_late=True)
def late_lazy(): return changed(mid=nn.LazyLinear(8))
def normed(): return changed(norm=nn.BatchNorm1d(8))
def narrow(): return Net(second=4)
def missing(): return changed(imports=True)
def two_targets(): return changed(head=nn.Linear(8, 2))
"""
CONFIG = RunConfig(
    model="odd_nets:late",
    task="qm9/alpha",
    data=DataPlan(source="sample", n_train=33, n_val=8, n_test=8),
    training=TrainingPlan(epochs=2, batch_size=16, warmup_epochs=0),
    gamma=0.1,
    seed=1,
)


@pytest.fixture
def train(tmp_path, tmp_path_factory, monkeypatch):
    (tmp_path / "odd_nets.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "odd_nets", raising=False)

    def run(name, **changes):
        config = replace(CONFIG, model=f"odd_nets:{name}", **changes)
        return TrainingRun(config, cache=tmp_path / "cache")

    return run


@pytest.mark.parametrize("name", ["by_numpy", "by_random", "late", "late_lazy"])
def test_the_seed_decides_the_weights(train, name):
    runs = train(name), train(name, gamma=10.0), train(name, seed=2)
    (first, same, other) = (dict(run.model.state_dict()) for run in runs)
    assert all(torch.equal(first[key], same[key]) for key in first)
    assert not all(torch.equal(first[key], other[key]) for key in first)
    begun = train(name)
    errors = [[epoch.val_error for epoch in run.epochs()] for run in (runs[0], begun)]
    assert errors[0] == errors[1]


@pytest.mark.parametrize("name", ["late", "late_lazy"])
def test_a_layer_of_the_first_pass_is_trained_averaged_and_kept(train, tmp_path, name):
    run = train(name)
    before = run.model.mid.weight.detach().clone()
    list(run.epochs()), run.result()
    assert not torch.equal(run.model.mid.weight, before)
    assert not torch.equal(run.averaged.network.mid.weight, before)
    save_model(run, tmp_path / "model.safetensors")
    again = TrainedModel.load(tmp_path / "model.safetensors", f"odd_nets:{name}")
    batch, _ = run.data.batch(run.data.split.test)
    with torch.no_grad():
        expected = run.averaged.network(batch).prediction
        assert torch.equal(again.network(batch).prediction, expected)
    water = batch_from_arrays([8, 1, 1], [[0.0, 0, 0.1], [0, 0.8, -0.5], [0, -0.8, -0.5]], [0] * 3)
    assert again.predict(water).shape == (1, 1)


SMALL = TrainingPlan(epochs=2, batch_size=16, micro_batch_size=8)
ONE = TrainingPlan(epochs=2, batch_size=1)


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("by_nobody", {}, "two builds from one seed differ in head.weight: draw"),
        ("by_an_unseeded_generator", {}, "differ in head.weight"),
        ("narrow", {}, r"odd_nets:narrow cannot be used: .*one shape .*\(\d+, 8\), \(\d+, 4\)"),
        (
            "missing",
            {},
            "odd_nets:missing fails on .* No module named 'a_package_",
        ),
        ("two_targets", {}, r"must predict .* this task \(1, 1\), but predicts \(1, 2\)"),
        ("normed", {"training": SMALL}, "batch_size is 16 and training.micro_batch_size is 8"),
        ("normed", {"training": ONE}, "training.batch_size must be at least 2 .*, but is 1"),
    ],
)
def test_what_cannot_be_trained_is_told_before(train, name, changes, message):
    with pytest.raises(ValueError, match=message):
        train(name, **changes)


def test_a_rest_of_one_sample_is_trained_on_where_batches_are_normalised(train):
    """33 samples in batches of 16 leave one sample, which has no batch statistics."""
    run = train("normed")
    seen = []
    run.model.register_forward_hook(lambda net, given, out: seen.append(given[0].n_graphs))
    next(run.epochs())
    assert seen == [16, 17]
    plain = train("late")
    plain.model.register_forward_hook(lambda net, given, out: seen.append(given[0].n_graphs))
    next(plain.epochs())
    assert seen[2:] == [16, 16, 1]
