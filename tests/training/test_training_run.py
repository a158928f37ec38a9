"""Training: the results of a run depend only on its config."""

import math
from dataclasses import replace

import pytest
import torch

from lkm_tune.models import MODELS
from lkm_tune.study import DataPlan, RunConfig, TrainingPlan
from lkm_tune.training import Checkpoints, TrainingRun

CONFIG = RunConfig(
    model="pamnet",
    task="qm9/alpha",
    model_settings={"hidden": 8, "depth": 1},
    data=DataPlan(source="sample", n_train=48, n_val=16, n_test=16),
    training=TrainingPlan(epochs=4, batch_size=16, lr=3e-3),
    gamma=0.1,
    seed=3,
)


@pytest.fixture
def start(tmp_path_factory):
    cache = tmp_path_factory.mktemp("cache")

    def run(weights=None, **changes):
        return TrainingRun(replace(CONFIG, **changes), cache=cache, weights=weights)

    return run


def numbers(run):
    """All results of a run except wall times."""
    epochs = [replace(epoch, seconds=0.0) for epoch in run.history]
    return epochs, replace(run.result(), seconds=0.0)


def finish(run):
    for _ in run.epochs():
        pass
    return numbers(run)


def test_one_config_gives_the_same_numbers_twice(start):
    assert finish(start()) == finish(start())


@pytest.mark.parametrize("model", list(MODELS))
def test_gamma_zero_is_bit_for_bit_the_plain_run(start, model, monkeypatch):
    """The same weights as training without the mixing term."""
    small = {"hidden": 8, "depth": 2}
    lkm = start(model=model, model_settings=small, gamma=0.0)
    finish(lkm)
    plain = start(model=model, model_settings=small, gamma=0.0)

    def none_of_it(layers, *options):
        return torch.zeros(())

    monkeypatch.setattr("lkm_tune.training.objective.layer_mixing_loss", none_of_it)
    finish(plain)
    for name, weights in lkm.model.state_dict().items():
        assert torch.equal(weights, plain.model.state_dict()[name]), name
    assert lkm.history[-1].losses["kd"] > 0 == plain.history[-1].losses["kd"]


def test_gamma_pulls_the_layers_together(start):
    free, mixed = start(gamma=0.0), start(gamma=10.0)
    finish(free), finish(mixed)
    assert mixed.history[-1].losses["kd"] < 0.5 * free.history[-1].losses["kd"]
    assert mixed.history[-1].kd_ratio == pytest.approx(
        10 * mixed.history[-1].losses["kd"] / mixed.history[-1].losses["prediction"]
    )


def test_a_seed_means_the_same_start_for_every_gamma(start):
    zero, hundred = start(gamma=0.0), start(gamma=100.0)
    other = start(seed=4)
    assert zero.data.split.train.tolist() == hundred.data.split.train.tolist()
    assert zero.data.split.train.tolist() != other.data.split.train.tolist()
    weights = [next(run.model.parameters()) for run in (zero, hundred, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert torch.equal(zero.batches.order.get_state(), hundred.batches.order.get_state())


@pytest.mark.parametrize("done", [1, 3])
def test_a_continued_run_is_the_whole_run(start, tmp_path, done):
    whole = finish(start())
    first = start()
    epochs = first.epochs()
    for _ in range(done):
        next(epochs)
    Checkpoints(tmp_path).save(first.state_dict(), done)
    second = start()
    second.load_state_dict(Checkpoints(tmp_path).newest())
    assert finish(second) == whole


def test_a_state_continues_only_its_own_run(start):
    with pytest.raises(ValueError, match="continues only its own run"):
        start(gamma=0.5).load_state_dict(start().state_dict())


def test_a_non_finite_run_ends_at_once_and_says_so(start):
    run = start(training=replace(CONFIG.training, lr=1e30, clip_norm=1e30))
    _, result = finish(run)
    assert len(run.history) < CONFIG.training.epochs
    assert result.outcome == "diverged"
    assert "non-finite training loss" in result.reason or "above 100 times" in result.reason
    assert math.isnan(result.test_error)


def test_an_exploding_run_is_told_from_a_bad_one(start):
    plan = replace(CONFIG.training, divergence_factor=1e-3)
    _, result = finish(start(training=plan))
    assert result.outcome == "diverged"
    assert "is above 0.001 times the error of predicting the mean" in result.reason


def test_the_best_epoch_is_tested_once_at_the_end(start):
    run = start(training=replace(CONFIG.training, epochs=6, lr=3e-2, ema_decay=0.0))
    tested = []
    measure = run.errors
    run.errors = lambda part: (tested.append(part), measure(part))[1]
    for _ in run.epochs():
        assert "test" not in tested
    result = run.result()
    errors = [epoch.val_error for epoch in run.history]
    assert result.val_error == min(errors)
    assert errors[result.best_epoch - 1] == min(errors)
    assert run.errors("val")["error"] == pytest.approx(min(errors))  # the weights of that epoch
    assert tested.count("test") == 1


def test_the_result_of_an_unfinished_run_is_refused(start):
    with pytest.raises(RuntimeError, match="0 of 4 are done"):
        start().result()


def test_training_beats_the_mean(start):
    """Sixty epochs on 48 molecules: the network learns."""
    plan = TrainingPlan(epochs=30, batch_size=8, lr=5e-3, ema_decay=0.9)
    _, result = finish(start(training=plan, gamma=0.01))
    assert result.val_error < 0.8 * result.val_mean_error


def test_global_random_state_is_left_alone(start):
    torch.manual_seed(0)
    before = torch.get_rng_state()
    next(start().epochs())
    assert torch.equal(before, torch.get_rng_state())


def test_dropout_is_drawn_from_the_seed(start):
    """Also in a continued run, and without touching the random state of the process."""
    nets = {"model": "gin", "model_settings": {"hidden": 8, "depth": 2, "dropout": 0.5}}
    whole = finish(start(**nets))
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first, second = start(**nets), start(**nets)
    epochs = first.epochs()
    next(epochs), next(epochs)
    second.load_state_dict(first.state_dict())
    assert finish(second) == whole
    assert torch.equal(before, torch.get_rng_state())
    assert finish(start(**nets, seed=4)) != whole


def test_a_run_begins_with_given_weights(start):
    first = start(seed=1)
    finish(first)
    weights = {name: w.double() for name, w in first.model.state_dict().items()}
    second = start(weights=weights)
    for network in (second.model, second.averaged.network):
        assert all(map(torch.equal, network.parameters(), first.model.parameters()))
    weights.pop("rbf_g.freq")
    with pytest.raises(ValueError, match=r"do not fit pamnet .* missing \['rbf_g.freq'\]"):
        start(weights=weights)


def test_a_model_of_another_target_is_refused(start):
    with pytest.raises(ValueError, match=r"outputs must be 1, the number of targets of .*, got 2"):
        start(model_settings={"hidden": 8, "depth": 1, "outputs": 2})
