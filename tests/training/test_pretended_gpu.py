"""A GPU never waits within a training step: whole runs on a pretended GPU."""

import pytest
import torch

from lkm_tune.models import MODELS, NODE_MODELS
from lkm_tune.study import DataPlan, LkmOptions, RunConfig, TrainingPlan
from lkm_tune.training import TrainingRun, ahead, training_run
from lkm_tune.training.examine import epoch_figures

from .pretended_gpu import WAITS, Pretend, thread


@pytest.fixture(autouse=True)
def a_thread_has_the_device(monkeypatch):
    monkeypatch.setattr(ahead, "ThreadPoolExecutor", thread)


def start(model, device="cpu", task="qm9/U0", mixing="uniform", **data):
    sizes = {"source": "sample", "n_train": 8, "n_val": 8, "n_test": 8} | data
    config = RunConfig(
        model=model,
        task=task,
        model_settings={"hidden": 8, "depth": 2 if model in NODE_MODELS else 1},
        data=DataPlan(**sizes),
        training=TrainingPlan(epochs=1, batch_size=4, eval_batch_size=4),
        gamma=0.1,
        lkm=LkmOptions(mixing=mixing),
    )
    return TrainingRun(config, device)


def waits_of_a_step(run):
    """The waits of a step, and of a padded step as a CUDA graph records it."""
    batch, program = run.data.split.train[:4], run.program
    run.step(run.batches.parts(batch))  # constants reach the GPU once
    factor, share = torch.zeros(2, device=run.device).unbind()
    WAITS.clear()
    run.step(run.batches.parts(batch))
    losses, gradients = program.gradient(run.batches.parts(batch, run.batches.size_classes()))
    program.update(gradients, factor, share)
    return dict(WAITS)


@pytest.mark.parametrize("model", MODELS)
def test_an_epoch_waits_for_its_checks_its_losses_and_its_errors(model, monkeypatch):
    monkeypatch.setattr(training_run, "STEPS_BETWEEN_CHECKS", 1)
    (plain,) = start(model).epochs()
    with Pretend():
        run = start(model, "pgpu")
        assert waits_of_a_step(run) == {}
        run.errors("val")
        run = start(model, "pgpu")
        WAITS.clear()
        (there,) = run.epochs()
        assert sum(WAITS.values()) == 2 + 1 + 1, WAITS
        run.load_state_dict(run.state_dict())
        figures = epoch_figures(run)
    assert there.val_error == pytest.approx(plain.val_error, rel=1e-4)
    assert there.losses == pytest.approx(plain.losses, rel=1e-4)
    assert figures["gradient_prediction"] > 0


@pytest.mark.parametrize("mixing", ["neighbours", "learned", "confidence"])
def test_a_step_with_selective_mixing_waits_for_nothing(mixing):
    with Pretend():
        assert waits_of_a_step(start("gin", "pgpu", mixing=mixing)) == {}


@pytest.mark.parametrize("model", ["pamnet", "mxmnet", "dimenet++"])
def test_a_step_with_forces_waits_for_nothing(model, shared):
    with Pretend():
        assert waits_of_a_step(start(model, "pgpu", "rmd17/ethanol", source=None)) == {}


def test_devices_do_not_mix():
    with Pretend(), pytest.raises(AssertionError, match="mixes"):
        torch.zeros(3, device="pgpu") + torch.zeros(3)


def test_a_wait_is_counted():
    with Pretend():
        there = torch.arange(3.0, device="pgpu")
        WAITS.clear()
        assert there[there > 1].tolist() == [2.0]
        there.to("cpu")
        float(there.sum())
    assert sum(WAITS.values()) >= 4
