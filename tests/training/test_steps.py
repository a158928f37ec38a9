"""Steps of a recorded graph, on a stand-in for CUDA graphs, are steps of torch."""

import gc
import sys
import weakref
from dataclasses import replace
from functools import partial

import pytest
import torch

from lkm_tune.models import MODELS, fused
from lkm_tune.study import DataPlan, LkmOptions, RunConfig, TrainingPlan
from lkm_tune.training import ArrayRun, steps

from .tape import recording

CONFIG = RunConfig(
    model="pamnet",
    task="qm9/alpha",
    model_settings={"hidden": 8, "depth": 2},
    data=DataPlan(source="sample", n_train=24, n_val=8, n_test=8),
    training=TrainingPlan(epochs=3, batch_size=8, lr=3e-3, weight_decay=1e-2),
    gamma=0.1,
    seed=3,
)
SIZES = {
    "pamnet": {"hidden": 8, "depth": 1},
    "mxmnet": {"hidden": 8, "depth": 1},
    "dimenet++": {"hidden": 8, "depth": 1, "int_emb_size": 4, "out_emb_channels": 8},
}
FORCES = {"task": "rmd17/ethanol", "data": DataPlan(None, 24, 8, 8)}


def sized(model):
    return {"model_settings": SIZES.get(model, CONFIG.model_settings)}


@pytest.fixture
def start(build, exactly):
    def run(capture="off", **changes):
        config = replace(CONFIG, **changes)
        config = replace(config, training=replace(config.training, capture=capture))
        return exactly([build(config)])[0]

    return run


@pytest.fixture
def captured(start, monkeypatch):
    """Starts a run that records its steps."""
    monkeypatch.setattr(fused, "kernels", lambda: None)
    monkeypatch.setattr(steps, "recording", recording)
    monkeypatch.setattr(steps, "captures", lambda device: True)
    return partial(start, capture="auto")


def said(caplog):
    """What lkm-tune logged; threads of other tests of this process may log, too."""
    return [record for record in caplog.records if record.name.startswith("lkm_tune")]


def trained(run):
    list(run.epochs())
    return run


def graphs(run):
    return [known.graph for known in run.steps._graphs.values()]


def flat(run):
    state = [*run.model.state_dict().values(), *run.averaged.network.state_dict().values()]
    return torch.cat([t.detach().flatten() for t in [*state, *run.mixing.parameters()]])


def assert_equal(run, plain, within=1e-6):
    assert (flat(run) - flat(plain)).abs().max() <= within
    for mine, known in zip(run.history, plain.history, strict=True):
        assert mine.losses == pytest.approx(known.losses, rel=1e-6)
        assert mine.val_errors == pytest.approx(known.val_errors, rel=1e-4)
        assert mine.lr == known.lr
    assert run.averaged.updates == plain.averaged.updates


@pytest.mark.parametrize(
    "changes",
    [
        *({"model": name, **sized(name)} for name in MODELS),
        *({"model": name, **sized(name), **FORCES} for name in ("pamnet", "mxmnet", "dimenet++")),
        *({"model": "gin", "lkm": LkmOptions(mixing=m)} for m in ("neighbours", "learned")),
        {"model": "gin", "lkm": LkmOptions(mixing="confidence")},
        {"model": "gin", "training": replace(CONFIG.training, micro_batch_size=3)},
        {"model": "gin", "gamma": 0.0, "model_settings": {"hidden": 8, "pooling": "mean"}},
    ],
    ids=lambda changes: "-".join(str(v)[:30] for v in changes.values()),
)
def test_recorded_steps_are_steps(start, captured, changes, caplog):
    run = trained(captured(**changes))
    assert sum(tape.replays for tape in graphs(run)) == 9 - steps.WARMING
    assert_equal(run, trained(start(**changes)))
    assert not said(caplog)


def test_a_few_graphs_serve_an_epoch_and_others_train_without(start, captured, monkeypatch):
    monkeypatch.setattr(steps, "MOST_GRAPHS", 1)
    # The last batch has five samples.
    changes = {"model": "gin", "data": replace(CONFIG.data, n_train=21)}
    run = trained(captured(**changes))
    (tape,) = graphs(run)
    assert 0 < tape.replays < 9 - steps.WARMING
    assert_equal(run, trained(start(**changes)))


def test_a_state_continues_with_graphs(start, captured, monkeypatch):
    monkeypatch.setattr(steps, "WARMING", 1)
    first, second = captured(model="gin"), captured(model="gin")
    next(first.epochs())
    assert graphs(first)
    assert first.optimizer.param_groups[0]["capturable"] is False
    second.load_state_dict(first.state_dict())
    assert_equal(trained(second), trained(start(model="gin")))


def test_a_diverging_run_says_so(captured, caplog):
    wild = replace(CONFIG.training, lr=1e30, clip_norm=1e30)
    run = trained(captured(model="gin", training=wild))
    assert "non-finite training loss" in run.diverged or "above" in run.diverged
    assert not said(caplog)


@pytest.mark.parametrize(
    "changes",
    [sized("pamnet"), {"model": "dimenet++", **sized("dimenet++"), **FORCES}, {"model": "gat"}],
)
def test_recorded_steps_of_an_array_are_those_of_single_runs(
    start, captured, changes, caplog, monkeypatch
):
    """A member that diverges leaves the array; the others go on with new graphs."""
    monkeypatch.setattr(steps, "WARMING", 1)
    calm, wild = CONFIG.training, replace(CONFIG.training, lr=1e30, clip_norm=1e30)
    plans = [(0.0, calm), (0.1, replace(calm, lr=1e-3)), (10.0, calm)]
    plans = [(gamma, replace(plan, clip_norm=wild.clip_norm)) for gamma, plan in plans]
    runs = [captured(gamma=g, training=plan, **changes) for g, plan in [*plans, (0.1, wild)]]
    array, lost = ArrayRun(runs), runs.pop()
    with_graphs = [array.steps for _ in array.epochs() if graphs(array)]
    assert len(set(map(id, with_graphs))) == 2
    assert lost.diverged and not said(caplog)
    for run, (gamma, plan) in zip(runs, plans, strict=True):
        assert_equal(run, trained(start(gamma=gamma, training=plan, **changes)))


def test_graphs_go_with_their_run(captured):
    """Their memory on a GPU is free for the next trial, without a search for cycles."""
    run = trained(captured(model="gin"))
    (graph, *_) = map(weakref.ref, graphs(run))
    gc.disable()
    try:
        del run
        assert graph() is None
    finally:
        gc.enable()


OWN = """
import torch
from torch import nn

from lkm_tune.models import LayerTap


class Net(nn.Module):
    def __init__(self, norm=False, mean=False, choice=False):
        super().__init__()
        self.embedding, self.mean, self.choice = nn.Embedding(10, 8), mean, choice
        self.convs = nn.ModuleList(nn.Linear(8, 8) for _ in range(2))
        self.norm = nn.BatchNorm1d(8) if norm else nn.Identity()
        self.head = nn.Linear(8, 1)
        self.register_buffer("steps", torch.zeros(1))

    def forward(self, batch):
        if self.training:
            self.steps += 1
        source, target = batch.edge_index
        h = self.embedding(batch.z)
        for conv in self.convs:
            sent = conv(h)
            h = torch.relu(sent.index_add(0, target, sent[source]))
        if self.mean:
            h = h - h.mean(dim=0)
        if self.choice and h.mean() > 0.5:
            h = h / 2
        atoms = self.head(self.norm(h))
        return atoms.new_zeros(batch.n_graphs, 1).index_add(0, batch.graph_index, atoms)


def tapped(**how):
    return LayerTap(Net(**how), ["convs.0", "convs.1"], call=lambda net, batch: net(batch))


def safe(): return tapped()
def normed(): return tapped(norm=True)
def centred(): return tapped(mean=True)
def choosing(): return tapped(choice=True)
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    (tmp_path / "stepnets.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "stepnets", raising=False)
    return lambda name: {"model": f"stepnets:{name}", "model_settings": {}}


def test_steps_of_a_users_network_are_recorded(start, captured, own):
    run = trained(captured(**own("safe")))
    assert graphs(run)
    assert_equal(run, trained(start(**own("safe"))))


@pytest.mark.parametrize(
    ("name", "reason"),
    [("normed", "differ"), ("centred", "differ"), ("choosing", "capturing: _local_scalar_dense")],
)
def test_a_network_that_no_graph_suits_trains_without(start, captured, own, name, reason, caplog):
    """The numbers are those of training without graphs, to the last bit."""
    run = trained(captured(**own(name)))
    (warning,) = said(caplog)
    assert "training continues without CUDA graphs" in warning.message and reason in warning.message
    assert not graphs(run)
    assert_equal(run, trained(start(**own(name))), within=0)


def test_dropout_trains_without_graphs(start, captured, caplog):
    """Padding changes which numbers are drawn for an atom."""
    changes = {"model": "gcn", "model_settings": {"hidden": 8, "depth": 2, "dropout": 0.3}}
    run = trained(captured(**changes))
    assert len(said(caplog)) == 1
    assert_equal(run, trained(start(**changes)), within=0)


def test_graphs_can_be_refused(captured, start):
    assert graphs(trained(captured(model="gin")))
    assert not graphs(trained(start(model="gin")))
