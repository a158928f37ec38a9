"""One training run: a generator of epochs with a state from which it continues exactly."""

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lkm_tune.datasets import HERE, Origin, Part
from lkm_tune.lkm import make_mixing
from lkm_tune.models import code_digest, load_weights
from lkm_tune.study import RunConfig
from lkm_tune.training.ahead import ahead
from lkm_tune.training.batches import Batches
from lkm_tune.training.device import device_name
from lkm_tune.training.make_objective import make_objective
from lkm_tune.training.network import open_run
from lkm_tune.training.numerics import numerics, reproducible
from lkm_tune.training.objective import mixing_term
from lkm_tune.training.own_network import check_batches
from lkm_tune.training.run_result import EpochResult, RunResult
from lkm_tune.training.run_state import restore, state_of
from lkm_tune.training.samples import Prepared
from lkm_tune.training.schedule import WeightAverage, make_schedule
from lkm_tune.training.seeds import epoch_seed, seeded
from lkm_tune.training.single_program import SingleProgram
from lkm_tune.training.steps import Steps

# Steps between two checks of the loss within an epoch: each check waits for the GPU.
STEPS_BETWEEN_CHECKS = 50


class TrainingRun:
    """Training of one network with one γ, from a `RunConfig`.

    Adam, linear warmup and cosine annealing over the full budget, EMA of the weights, the loss of
    the task's `Objective`, gradient clipping. Every epoch validates the averaged weights. At the
    end, the weights of the best epoch are tested once.

    The seed alone decides the initial weights, the split, the order of batches and random draws of
    the network (dropout): two runs of one config on one machine give the same numbers. Runs with
    different γ differ only in γ. With γ = 0 the mixing term is measured without a gradient; on a
    CPU the run equals training without mixing bit for bit.

    The same optimiser trains the parameters of selective mixing (`lkm.mixing`), which are no part
    of the network.
    """

    def __init__(
        self,
        config: RunConfig,
        device: str = "cpu",
        cache: Path | None = None,
        weights: Mapping[str, Tensor] | None = None,
        origin: Origin = HERE,
    ) -> None:
        """Builds the network and opens the data.

        Args:
            config: the config of the run.
            device: the device of the training.
            cache: the folder of prepared data; None for the default.
            weights: initial parameters by name; None for parameters from the seed.
            origin: the origin of the data.

        Raises:
            ValueError: if the config has an unknown model, task or setting, or more samples than
                the data, or the weights do not fit the network.
        """
        self.config = config
        self.device = torch.device(device)
        opened = open_run(config, cache, origin)
        if weights is not None:
            load_weights(opened.network, config.model, weights)
        self.model = opened.network.to(self.device)
        self.settings = opened.settings
        self.data = opened.data
        self.objective = make_objective(opened.data, config.training, self.device)
        self._val_mean_error = self._mean_error("val")
        plan = config.training
        self.averaged = WeightAverage(self.model, plan.ema_decay)
        self.parameters = list(self.model.parameters())
        self.mixing = make_mixing(config.lkm.mixing, self._shape).to(self.device)
        self.optimizer = torch.optim.Adam(
            [*self.parameters, *self.mixing.parameters()],
            lr=plan.lr, weight_decay=plan.weight_decay, fused=True,
        )  # fmt: skip
        check_batches(self.model, plan, self.objective.micro_batch_size)
        self.batches = Batches(self.objective, self.model, self.data.split.train, config.seed)
        steps = len(self.batches)
        self.schedule = make_schedule(
            self.optimizer, round(plan.warmup_epochs * steps), plan.epochs * steps
        )
        self.program = SingleProgram(self)
        self.steps = Steps(self.program, self.batches, plan.capture == "auto")
        self.lr = 0.0
        self.history: list[EpochResult] = []
        self.best_epoch = 0
        self.best_error = math.inf
        self.best_weights: dict[str, Tensor] = {}
        self.diverged = ""
        self.diagnostics_seconds = 0.0

    @property
    def finished(self) -> bool:
        """Whether the run has spent its budget or diverged."""
        return bool(self.diverged) or len(self.history) >= self.config.training.epochs

    def epochs(self) -> Iterator[EpochResult]:
        """Trains from the present epoch to the end of the budget, or until the run diverges."""
        while not self.finished:
            yield self._epoch()

    def _epoch(self) -> EpochResult:
        start = time.perf_counter()
        with self.epoch_seeded():
            losses = self._train_epoch()
        errors = {} if self.diverged else self.errors("val")
        return self.enter(losses, errors, time.perf_counter() - start)

    @contextmanager
    def epoch_seeded(self) -> Iterator[None]:
        """The context of the next epoch's random draws, and of the numbers of the plan.

        Each epoch has a seed, so that a continued run draws the numbers of an uninterrupted run.
        """
        seed = epoch_seed(self.config.seed, len(self.history) + 1)
        gpus = [self.device] if self.device.type == "cuda" else []
        with seeded(seed, gpus), numerics(self.config.training, self.device):
            yield

    def enter(
        self, losses: dict[str, float], errors: dict[str, float], seconds: float
    ) -> EpochResult:
        """Adds a trained and validated epoch to the history and judges it.

        Args:
            losses: as in `EpochResult`.
            errors: validation errors by name; empty if the training diverged.
            seconds: time of the epoch.
        """
        prediction = losses["prediction"]
        result = EpochResult(
            epoch=len(self.history) + 1,
            losses=losses,
            kd_ratio=self.config.gamma * losses["kd"] / prediction if prediction else math.nan,
            val_error=self.objective.judge(errors) if errors else math.nan,
            val_errors=errors,
            lr=self.lr,
            seconds=seconds,
        )
        self.history.append(result)
        self._judge(result)
        return result

    def _train_epoch(self) -> dict[str, float]:
        self.model.train()
        sums = torch.zeros(3, device=self.device, dtype=torch.float64)
        steps = ahead(self.batches.draw(), self.steps.ready, self.device)
        for step, ready in enumerate(steps, 1):
            sums += self.steps(ready)
            if step % STEPS_BETWEEN_CHECKS == 0 and not torch.isfinite(sums).all():
                break
        return self.mean_losses(sums, step)

    def mean_losses(self, sums: Tensor, step: int) -> dict[str, float]:
        """The mean losses of an epoch by name; the run has diverged if one is not finite.

        Args:
            sums: [total, prediction, kd], summed over the training samples.
            step: the last step of the epoch.
        """
        means = (sums / len(self.data.split.train)).tolist()
        if not all(map(math.isfinite, means)):
            epoch = len(self.history) + 1
            self.diverged = f"non-finite training loss in epoch {epoch}, found at step {step}"
        return dict(zip(("total", "prediction", "kd"), means, strict=True))

    def step(self, parts: Sequence[Prepared]) -> Tensor:
        """Makes one optimiser step; returns its summed losses [total, prediction, kd]."""
        return self.program.step(parts)

    def add_gradient(self, part: Prepared) -> Tensor:
        """Adds the gradient of some samples of a batch; returns their shares of its losses."""
        loss = self.objective.loss(self.model, part)
        gamma, lkm = self.config.gamma, self.config.lkm
        # With γ = 0 the term is only measured, without a graph.
        with torch.set_grad_enabled(gamma > 0):
            kd, own = mixing_term(self.mixing, loss, lkm)
        total = loss.prediction + gamma * kd if gamma > 0 else loss.prediction
        torch.autograd.backward(total + own if own.requires_grad else total)
        return torch.stack([total, loss.prediction, kd]).detach()

    def _shape(self) -> tuple[int, int, int]:
        """The numbers of layers, features and outputs of the network, from one sample."""
        one = self.data.split.train[:1]
        self.model.eval()
        samples = self.objective.samples(self.model, one, one)
        output = self.objective.loss(self.model, samples).output
        return len(output.layers), output.layers[0].shape[1], output.prediction.shape[1]

    def _judge(self, result: EpochResult) -> None:
        """Keeps the weights of the best epoch and detects divergence."""
        if self.diverged:
            return
        mean_error = self._val_mean_error
        factor = self.config.training.divergence_factor
        if not result.val_error <= factor * mean_error:
            self.diverged = (
                f"validation error {result.val_error:.4g} in epoch {result.epoch} is above "
                f"{factor:g} times the error of predicting the mean, {mean_error:.4g}"
            )
        elif result.val_error < self.best_error:
            self.best_epoch, self.best_error = result.epoch, result.val_error
            weights = self.averaged.network.state_dict()
            self.best_weights = {name: w.detach().clone() for name, w in weights.items()}

    @torch.no_grad()
    def errors(self, part: Part) -> dict[str, float]:
        """Every error of the averaged weights on a part, in the task's unit."""
        with numerics(self.config.training, self.device):
            return self.objective.errors(self.averaged.network, self.data.split.part(part))

    def _mean_error(self, part: Part) -> float:
        return self.objective.judge(self.objective.mean_errors(part))

    def result(self) -> RunResult:
        """Loads the best weights of a finished run and tests them once.

        Raises:
            RuntimeError: if epochs are left.
        """
        if not self.finished:
            done, planned = len(self.history), self.config.training.epochs
            raise RuntimeError(f"the test comes after the last epoch, {done} of {planned} are done")
        errors: dict[str, float] = {}
        if self.best_weights:
            self.averaged.network.load_state_dict(self.best_weights)
        if not self.diverged:
            errors = self.errors("test")
        return RunResult(
            outcome="diverged" if self.diverged else "complete",
            reason=self.diverged or "full budget",
            best_epoch=self.best_epoch,
            val_error=math.nan if self.diverged else self.best_error,
            test_error=self.objective.judge(errors) if errors else math.nan,
            test_errors=errors,
            val_mean_error=self._val_mean_error,
            test_mean_error=self._mean_error("test"),
            n_parameters=sum(p.numel() for p in self.model.parameters()),
            mixing_parameters=self.mixing.n_parameters,
            seconds=sum(epoch.seconds for epoch in self.history) + self.diagnostics_seconds,
            diagnostics_seconds=self.diagnostics_seconds,
            device=device_name(self.device),
            reproducible=reproducible(self.config.training, self.device),
            kd_ratio=self.history[-1].kd_ratio,
            code=code_digest(self.config.model),
        )

    def state_dict(self) -> dict[str, Any]:
        """The complete state for an exact continuation, as tensors and plain data."""
        return state_of(self)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of `state_dict`.

        Raises:
            ValueError: if the state belongs to another config.
        """
        restore(self, state)
