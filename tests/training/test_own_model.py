"""Training of user's models: a module that returns its layers, and a module in a LayerTap."""

import sys

import pytest
import torch

from lkm_tune.study import DataPlan, RunConfig, TrainingPlan
from lkm_tune.training import Checkpoints, TrainedModel, TrainingRun, save_model

SOURCE = """
import torch
from torch import nn
from torch_geometric.nn import SchNet

from lkm_tune.graphs import edge_vectors, radius_edges
from lkm_tune.models import LayerTap, ModelOutput, sum_over_atoms


class Net(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.embedding = nn.Embedding(10, width)
        self.convs = nn.ModuleList(nn.Linear(width, width) for _ in range(3))
        self.norms = nn.ModuleList(nn.BatchNorm1d(width) for _ in range(3))
        self.head = nn.Linear(width, 1)

    def forward(self, batch):
        source, target = batch.edge_index
        layers, h = [], self.embedding(batch.z)
        for conv, norm in zip(self.convs, self.norms):
            h = torch.relu(norm(conv(h).index_add(0, target, conv(h)[source])))
            layers.append(h)
        return ModelOutput(sum_over_atoms(self.head(h), batch), layers)


def near(pos, molecule):
    edges = radius_edges(pos, molecule, 5.0)
    return edges, edge_vectors(pos, edges)[1]


def plain(width=8):
    return Net(width)


def schnet(width=8, depth=2):
    net = SchNet(width, width, depth, num_gaussians=8, cutoff=5.0, interaction_graph=near)
    return LayerTap(net, [f"interactions.{i}" for i in range(depth)])
"""


@pytest.fixture(params=["plain", "schnet"])
def config(request, tmp_path, monkeypatch):
    (tmp_path / "mynets.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "mynets", raising=False)
    return RunConfig(
        model=f"mynets:{request.param}",
        task="qm9/alpha",
        model_settings={"width": 12},
        data=DataPlan(source="sample", n_train=64, n_val=16, n_test=16),
        training=TrainingPlan(epochs=20, batch_size=16, lr=1e-2, ema_decay=0.8),
        gamma=0.1,
        seed=1,
    )


@pytest.fixture
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


def test_it_learns_and_its_layers_are_mixed(config, cache):
    run = TrainingRun(config, cache=cache)
    epochs = list(run.epochs())
    assert epochs[-1].losses["prediction"] < 0.9 * epochs[0].losses["prediction"]
    assert epochs[-1].losses["kd"] > 0
    assert run.result().val_error < run.result().val_mean_error


def test_it_continues_exactly(config, cache, tmp_path):
    whole = TrainingRun(config, cache=cache)
    errors = [epoch.val_error for epoch in whole.epochs()]
    first = TrainingRun(config, cache=cache)
    epochs = first.epochs()
    next(epochs), next(epochs)
    Checkpoints(tmp_path / "trial").save(first.state_dict(), 2)
    second = TrainingRun(config, cache=cache)
    second.load_state_dict(Checkpoints(tmp_path / "trial").newest())
    assert [epoch.val_error for epoch in (*first.history, *second.epochs())] == errors


def test_what_is_only_counted_is_validated_as_it_is(config, cache):
    """Validation uses the present statistics of batch normalisation."""
    run = TrainingRun(config, cache=cache)
    next(run.epochs())
    for name, buffer in run.model.named_buffers():
        assert torch.equal(run.averaged.network.get_buffer(name), buffer), name


def test_its_file_runs_its_code_only_when_told_to(config, cache, tmp_path):
    run = TrainingRun(config, cache=cache)
    list(run.epochs()), run.result()
    path = tmp_path / "model.safetensors"
    save_model(run, path)
    with pytest.raises(ValueError, match=f"--own-model {config.model} if you trust it"):
        TrainedModel.load(path)
    with pytest.raises(ValueError, match="whose code would run"):
        TrainedModel.load(path, own_model="mynets:other")

    model = TrainedModel.load(path, own_model=config.model)
    batch, _ = run.data.batch(run.data.split.test)
    with torch.no_grad():
        assert torch.equal(model.network(batch).prediction, run.averaged.network(batch).prediction)
