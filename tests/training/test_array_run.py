"""Arrays: K runs as one program have the numbers of K single runs."""

import sys
from dataclasses import replace

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from lkm_tune.models import MODELS, torch_forms
from lkm_tune.study import DataPlan, LkmOptions, RunConfig, TrainingPlan
from lkm_tune.training import ArrayError, ArrayRun, Checkpoints

CONFIG = RunConfig(
    model="pamnet",
    task="qm9/alpha",
    model_settings={"hidden": 8, "depth": 2},
    data=DataPlan(source="sample", n_train=48, n_val=16, n_test=16),
    training=TrainingPlan(epochs=3, batch_size=16, lr=3e-3),
    seed=3,
)
GAMMAS = (0.0, 0.1, 10.0)
FORCES = {"task": "rmd17/ethanol", "data": DataPlan(None, 32, 8, 8)}


@pytest.fixture
def start(build):
    def runs(gammas=GAMMAS, **changes):
        return [build(replace(CONFIG, gamma=g, **changes)) for g in gammas]

    return runs


def alone(runs):
    for run in runs:
        list(run.epochs())
    return runs


def together(runs):
    list(ArrayRun(runs).epochs())
    return runs


def flat(run):
    weights = [*run.model.parameters(), *run.averaged.network.parameters()]
    return torch.cat([w.detach().flatten() for w in [*weights, *run.mixing.parameters()]])


def assert_equal(array, single, within=1e-5):
    for one, other in zip(array, single, strict=True):
        assert (flat(one) - flat(other)).abs().max() < within
        assert len(one.history) == len(other.history)
        for mine, known in zip(one.history, other.history, strict=True):
            for name in ("losses", "val_errors"):
                assert getattr(mine, name) == pytest.approx(getattr(known, name), rel=1e-4)
            assert mine.lr == known.lr
            assert mine.kd_ratio == pytest.approx(known.kd_ratio, rel=1e-4)
        ends = one.result(), other.result()
        assert ends[0].outcome == ends[1].outcome
        assert ends[0].best_epoch == ends[1].best_epoch
        assert ends[0].test_errors == pytest.approx(ends[1].test_errors, rel=1e-4)


@pytest.mark.parametrize("model", list(MODELS))
def test_members_are_single_runs(start, exactly, model):
    """Learning rate and weight decay differ, too."""

    def runs():
        found = start(model=model, training=replace(CONFIG.training, weight_decay=1e-2))
        return exactly(
            [*found, *start([0.1], model=model, training=replace(CONFIG.training, lr=1e-2))]
        )

    assert_equal(together(runs()), alone(runs()), within=1e-7)


def test_members_are_single_runs_with_kernels_up_to_rounding(start):
    assert_equal(together(start()), alone(start()))


@pytest.mark.parametrize("model", ["pamnet", "mxmnet", "dimenet++"])
def test_members_with_forces_are_single_runs(start, exactly, model):
    def runs():
        return exactly(start(model=model, **FORCES))

    assert_equal(together(runs()), alone(runs()), within=1e-7)


@pytest.mark.parametrize("mixing", ["neighbours", "learned", "confidence"])
def test_members_with_selective_mixing_are_single_runs(start, mixing):
    lkm = LkmOptions(mixing=mixing)
    assert_equal(together(start(lkm=lkm)), alone(start(lkm=lkm)))


def test_a_diverging_member_changes_no_bit_of_its_neighbours(start):
    """It says what a single run says, and leaves the array."""
    wild = replace(CONFIG.training, lr=1e30, clip_norm=1e30)
    calm = replace(wild, lr=3e-3)

    def one_epoch(training):
        zero, high = start([0.0, 10.0], training=calm)
        runs = [zero, *start([0.1], training=training), high]
        epochs = ArrayRun(runs).epochs()
        next(epochs)
        return runs, epochs

    (zero, lost, high), epochs = one_epoch(wild)
    (other_zero, _, other_high), _ = one_epoch(calm)
    (single,) = alone(start([0.1], training=wild))
    assert not torch.isfinite(flat(lost)).all()
    assert torch.equal(flat(zero), flat(other_zero))
    assert torch.equal(flat(high), flat(other_high))
    assert lost.diverged == single.diverged != ""
    assert lost.result().outcome == "diverged"
    assert list(epochs) == [[zero, high]] * 2
    assert_equal([zero, high], alone(start([0.0, 10.0], training=calm)))


@pytest.mark.parametrize("done", [1, 2])
def test_members_continue_from_checkpoints_in_another_array_or_alone(start, tmp_path, done):
    whole, first = together(start()), start()
    epochs = ArrayRun(first).epochs()
    for _ in range(done):
        next(epochs)
    second = start()
    for k, (run, before) in enumerate(zip(second, first, strict=True)):
        place = Checkpoints(tmp_path / str(k))
        place.save(before.state_dict(), done)
        run.load_state_dict(place.newest())
    together(second[:2])
    alone(second[2:])
    for one, other in zip(second[:2], whole, strict=False):
        assert (flat(one) - flat(other)).abs().max() < 1e-5
    assert_equal(second[2:], whole[2:])


class Operations(TorchDispatchMode):
    """Counts operations that compute: views and bookkeeping launch nothing on a GPU."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += not func.is_view
        return func(*args, **(kwargs or {}))


def test_a_step_of_an_array_launches_as_much_as_a_step_of_one_run(start):
    runs = start([0.0, 1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0, 100.0])
    array, one = ArrayRun(runs), start([0.1])[0]
    parts = one.batches.parts(one.data.split.train[:16])
    program = array.program(runs)
    with torch_forms():
        with Operations() as single:
            one.model.train()
            one.step(parts)
        with Operations() as together:
            program.step(parts)
    assert together.count <= 1.1 * single.count


def test_dropout_is_that_of_single_runs(start):
    dropped = {"model": "gcn", "model_settings": {"hidden": 8, "depth": 2, "dropout": 0.3}}
    assert_equal(together(start(**dropped)), alone(start(**dropped)))


def test_nodes_of_a_graph(start):
    cora = {"task": "cora", "data": DataPlan(n_train=140, n_val=500), "model": "gat"}
    assert_equal(together(start(**cora)), alone(start(**cora)))


OWN = """
import torch
from torch import nn

from lkm_tune.models import LayerTap


class Net(nn.Module):
    def __init__(self, width, norm=False, choice=False):
        super().__init__()
        self.embedding, self.choice = nn.Embedding(10, width), choice
        self.convs = nn.ModuleList(nn.Linear(width, width) for _ in range(2))
        self.norm = nn.BatchNorm1d(width) if norm else nn.Identity()
        self.head = nn.Linear(width, 1)

    def forward(self, batch):
        source, target = batch.edge_index
        h = self.embedding(batch.z)
        for conv in self.convs:
            sent = conv(h)
            h = torch.relu(sent.index_add(0, target, sent[source]))
        if self.choice and h.mean() > 0.5:
            h = h / 2
        atoms = self.head(self.norm(h))
        return torch.zeros(batch.n_graphs, 1).index_add(0, batch.graph_index, atoms)


def tapped(width=8):
    return LayerTap(Net(width), ["convs.0", "convs.1"], call=lambda net, batch: net(batch))


def normed(width=8):
    return LayerTap(Net(width, norm=True), ["convs.0", "convs.1"], call=lambda net, b: net(b))


def choosing(width=8):
    return LayerTap(Net(width, choice=True), ["convs.0", "convs.1"], call=lambda net, b: net(b))
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    (tmp_path / "arraynets.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "arraynets", raising=False)
    return lambda name: {"model": f"arraynets:{name}", "model_settings": {"width": 8}}


def test_a_network_of_a_user(start, own):
    assert_equal(together(start(**own("tapped"))), alone(start(**own("tapped"))))


@pytest.mark.parametrize(
    ("name", "reason"), [("normed", "batch normalisation"), ("choosing", "torch.func.vmap fails")]
)
def test_a_network_that_cannot_train_in_an_array_says_why(start, own, name, reason):
    with pytest.raises(ArrayError, match=reason):
        ArrayRun(start(**own(name)))


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 4},
        {"model_settings": {"hidden": 8, "depth": 1}},
        {"training": replace(CONFIG.training, batch_size=8)},
    ],
)
def test_runs_that_differ_in_more_are_refused(start, changes):
    with pytest.raises(ArrayError, match="may differ in gamma"):
        ArrayRun([*start([0.0]), *start([0.1], **changes)])


def test_runs_after_different_epochs_are_refused(start):
    one, other = start([0.0, 0.1])
    next(one.epochs())
    with pytest.raises(ArrayError, match="one has made 1 and another 0"):
        ArrayRun([one, other])
