"""Selective mixing: each variant against its definition, and where it equals uniform mixing."""

from dataclasses import replace

import pytest
import torch

from lkm_tune.lkm import (
    ConfidenceMixing,
    LearnedMixing,
    NeighbourMixing,
    UniformMixing,
    layer_mixing_loss,
)
from lkm_tune.study import DataPlan, LkmOptions, RunConfig, TrainingPlan
from lkm_tune.training import TrainingRun

N_LAYERS, N_ATOMS, N_FEATURES = 4, 6, 5
SELECTIVE = ("neighbours", "learned", "confidence")
OF_ATOM = torch.tensor([0, 0, 0, 1, 1, 1])
TARGET = torch.tensor([[1.0], [4.0]], dtype=torch.float64)


def judge(outputs):
    """Two molecules of three atoms, |mean over atoms − target|."""
    errors = (outputs.reshape(2, 3, 1).mean(dim=1) - TARGET).abs().mean(dim=1)
    return errors[OF_ATOM], errors.mean()


@pytest.fixture
def layers():
    draw = torch.Generator().manual_seed(1)
    shape = (N_ATOMS, N_FEATURES)
    return [torch.randn(shape, generator=draw, dtype=torch.float64) for _ in range(N_LAYERS)]


@pytest.fixture
def confidence():
    return ConfidenceMixing(N_LAYERS, N_FEATURES, 1).double()


def skilled(mixing, layers):
    """Readouts with different errors: layer k has the bias k and ignores features."""
    with torch.no_grad():
        for k, readout in enumerate(mixing.readouts):
            readout.bias.fill_(float(k))
    return mixing(layers, judge)


@pytest.mark.parametrize("teacher", ["live", "detached"])
@pytest.mark.parametrize("distance", ["l2", "l1"])
def test_limits_that_equal_uniform_mixing(layers, confidence, distance, teacher):
    hot = ConfidenceMixing(N_LAYERS, N_FEATURES, 1, temperature=1e12).double()
    skilled(hot, layers)
    limits = {
        "every layer is a neighbour": NeighbourMixing(reach=N_LAYERS - 1),
        "learned, at its start": LearnedMixing(N_LAYERS).double(),
        "readouts that know nothing": confidence,
        "no trust in confidence": hot,
    }
    wanted = _value_and_gradient(UniformMixing(), layers, distance, teacher)
    for name, mixing in limits.items():
        found = _value_and_gradient(mixing, layers, distance, teacher)
        torch.testing.assert_close(found, wanted, msg=lambda said, name=name: f"{name}: {said}")


def _value_and_gradient(mixing, layers, distance, teacher):
    leaves = [layer.clone().requires_grad_() for layer in layers]
    weights, _ = mixing(leaves, judge)
    value = layer_mixing_loss(leaves, distance, "mean", teacher, weights)
    return [value, *torch.autograd.grad(value, leaves)]


def test_a_layer_learns_from_those_next_to_it(layers):
    weights, _ = NeighbourMixing()(layers, judge)
    thirds = [[1 / 3, 1 / 3, 1 / 3, 0], [0, 1 / 3, 1 / 3, 1 / 3]]
    wanted = [[1 / 2, 1 / 2, 0, 0], *thirds, [0, 0, 1 / 2, 1 / 2]]
    torch.testing.assert_close(weights, torch.tensor(wanted, dtype=torch.float64))
    a, b, c, d = layers
    teachers = [(a + b) / 2, (a + b + c) / 3, (b + c + d) / 3, (c + d) / 2]
    by_hand = sum((x - t).square().mean() for x, t in zip(layers, teachers, strict=True)) / 4
    torch.testing.assert_close(layer_mixing_loss(layers, weights=weights), by_hand)


def test_learned_shares(layers):
    """exp(a) = (1, 2, 3, 4): a layer has the share 1/4 of itself and divides the rest by these."""
    mixing = LearnedMixing(N_LAYERS).double()
    with torch.no_grad():
        mixing.scores.copy_(torch.tensor([1.0, 2.0, 3.0, 4.0]).log())
    weights, own = mixing(layers, judge)
    wanted = [[3 / 9, 2 / 9, 3 / 9, 4 / 9], [1 / 8, 4 / 8, 3 / 8, 4 / 8], [1 / 7, 2 / 7, 0, 4 / 7]]
    for j, row in enumerate(wanted):
        row = [0.75 * share for share in row]
        row[j] = 0.25
        torch.testing.assert_close(weights[j], torch.tensor(row, dtype=torch.float64))
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(4, dtype=torch.float64))
    assert own == 0 and mixing.n_parameters == 4


def test_what_is_learnt_moves_from_the_uniform_start(layers):
    """One layer is far from all others: its share falls, and so does the term."""
    far = [*layers[:3], layers[3] + 10]
    mixing = LearnedMixing(N_LAYERS).double()
    optimizer = torch.optim.SGD(mixing.parameters(), lr=0.01)
    values = []
    for _ in range(50):
        value = layer_mixing_loss(far, weights=mixing(far, judge)[0])
        values.append(value.item())
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
    assert values[-1] < 0.9 * values[0]
    assert mixing.scores.argmin() == 3


def test_confidence_by_molecule(layers, confidence):
    weights, own = skilled(confidence, layers)
    # Predictions 0, 1, 2, 3 for targets 1 and 4.
    errors = torch.tensor([[1, 0, 1, 2], [4, 3, 2, 1]], dtype=torch.float64)
    wanted = (-errors / errors.mean(dim=1, keepdim=True)).softmax(dim=1)[OF_ATOM]
    for row in weights:
        torch.testing.assert_close(row.T, wanted)
    assert own.item() == pytest.approx(errors.mean(dim=0).sum().item())
    assert not weights.requires_grad and confidence.n_parameters == N_LAYERS * (N_FEATURES + 1)


def test_readouts_learn_and_leave_the_layers_alone(layers, confidence):
    leaves = [layer.requires_grad_() for layer in layers]
    _, own = confidence(leaves, judge)
    own.backward()
    assert all(leaf.grad is None for leaf in leaves)
    assert all(parameter.grad.abs().sum() > 0 for parameter in confidence.parameters())


def test_weights_of_another_shape_are_named(layers):
    with pytest.raises(ValueError, match=r"shape \(4, 4\) or \(4, 4, 6\) .*, got \(4,\)"):
        layer_mixing_loss(layers, weights=torch.ones(4))


@pytest.fixture
def start(tmp_path_factory):
    cache = tmp_path_factory.mktemp("cache")
    config = RunConfig(
        model="pamnet",
        task="qm9/alpha",
        model_settings={"hidden": 8, "depth": 2},
        data=DataPlan(source="sample", n_train=48, n_val=16, n_test=16),
        training=TrainingPlan(epochs=3, batch_size=16, lr=3e-3),
        gamma=0.5,
        seed=3,
    )
    return lambda mixing, **changes: TrainingRun(
        replace(config, lkm=LkmOptions(mixing=mixing), **changes), cache=cache
    )


def finish(run):
    list(run.epochs())
    return [weights.clone() for weights in run.model.state_dict().values()]


@pytest.mark.parametrize("mixing", SELECTIVE)
def test_training_with_a_variant(start, mixing):
    uniform, run = start("uniform"), start(mixing)
    begun = {name: value.clone() for name, value in run.mixing.state_dict().items()}
    others = zip(finish(uniform), finish(run), strict=True)
    assert any(not torch.equal(one, other) for one, other in others)
    learnt = run.mixing.state_dict()
    assert all(not torch.equal(learnt[name], begun[name]) for name in begun)
    result = run.result()
    assert result.mixing_parameters == {"neighbours": 0, "learned": 4, "confidence": 4 * 9}[mixing]
    assert result.n_parameters == uniform.result().n_parameters


@pytest.mark.parametrize("mixing", SELECTIVE)
def test_gamma_zero_is_the_plain_run_for_every_variant(start, mixing):
    plain, run = finish(start("uniform", gamma=0.0)), finish(start(mixing, gamma=0.0))
    assert all(torch.equal(one, other) for one, other in zip(plain, run, strict=True))


@pytest.mark.parametrize("mixing", SELECTIVE)
def test_a_continued_run_with_a_variant_is_the_whole_run(start, mixing):
    whole = finish(start(mixing))
    first, second = start(mixing), start(mixing)
    next(first.epochs())
    second.load_state_dict(first.state_dict())
    continued = finish(second)
    assert all(torch.equal(one, other) for one, other in zip(whole, continued, strict=True))


@pytest.mark.parametrize("mixing", SELECTIVE)
def test_parts_of_a_batch_give_the_gradient_of_the_whole_for_every_variant(start, mixing):
    parts = replace(start(mixing).config.training, micro_batch_size=5)
    runs = start(mixing), start(mixing, training=parts)
    for run in runs:
        run.step(run.batches.parts(run.data.split.train[:16]))
    for whole, part in zip(*[(*r.parameters, *r.mixing.parameters()) for r in runs], strict=True):
        torch.testing.assert_close(whole.grad, part.grad, rtol=1e-3, atol=1e-6)


def test_classes_are_judged_where_they_are_given(shared, tmp_path):
    """Nodes without a class count as the mean of nodes with a class."""
    plan = DataPlan(n_train=140, n_val=500)
    config = RunConfig(
        "gcn", "cora", {"hidden": 8}, plan, lkm=LkmOptions(mixing="confidence"), gamma=1.0
    )
    run = TrainingRun(
        replace(config, training=TrainingPlan(epochs=1, batch_size=8)), cache=tmp_path
    )
    train = run.data.split.train
    samples = run.objective.samples(run.model, train, train)
    judge = run.objective.loss(run.model, samples).judge
    errors, mean = judge(torch.zeros(len(run.data.graph.labels), run.data.graph.classes))
    torch.testing.assert_close(errors, torch.full_like(errors, run.data.graph.classes).log())
    assert mean == pytest.approx(errors[0].item())
    list(run.epochs())
    assert run.result().outcome == "complete"
