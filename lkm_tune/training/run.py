"""One training run: a generator of epochs, with a state that continues exactly."""

import math
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lkm_tune.datasets import HERE, Origin, Part
from lkm_tune.lkm import Mixing, layer_mixing_loss, make_mixing
from lkm_tune.models import code_digest, load_weights
from lkm_tune.study import LkmOptions, RunConfig
from lkm_tune.training.device import device_name
from lkm_tune.training.network import open_run
from lkm_tune.training.objective import Loss, make_objective
from lkm_tune.training.own_network import check_batches, has_batch_norm
from lkm_tune.training.result import EpochResult, RunResult
from lkm_tune.training.schedule import WeightAverage, make_schedule
from lkm_tune.training.seeds import seeded

# How often the loss is looked at within an epoch: each look waits for the GPU.
STEPS_BETWEEN_CHECKS = 50


class TrainingRun:
    """Training of one network with one γ, as `RunConfig` says.

    Adam, linear warmup and cosine annealing over the full budget, EMA of the weights, the loss of
    the task's `Objective`, gradient clipping. The averaged weights are validated after every epoch;
    those of the best epoch are tested once at the end.

    The seed decides the initial weights, the split, the order of batches and what a network draws
    itself (dropout), and nothing else does: two runs of one config on one machine give the same
    numbers, and runs that differ in γ alone differ in nothing else. With γ = 0 the mixing term is
    measured but has no gradient, which makes the run bit-for-bit the plain one on the CPU.

    What selective mixing learns (`lkm.mixing`) is trained by the same optimiser beside the network,
    and is no part of it.
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
            config: what determines the run, together with `weights` where they are given.
            device: where to train.
            cache: folder of prepared data; None for the default.
            weights: parameters by name to begin with, instead of those that the seed decides.
            origin: of the data.

        Raises:
            ValueError: if the config names an unknown model, task or setting, or asks for more
                samples than there are, or the weights are not those of such a network.
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
        self._whole = has_batch_norm(self.model)
        steps = len(self._begins())
        self.schedule = make_schedule(
            self.optimizer, round(plan.warmup_epochs * steps), plan.epochs * steps
        )
        self.order = torch.Generator().manual_seed(config.seed)
        self.lr = 0.0
        self.history: list[EpochResult] = []
        self.best_epoch = 0
        self.best_error = math.inf
        self.best_weights: dict[str, Tensor] = {}
        self.diverged = ""

    @property
    def finished(self) -> bool:
        """Whether no epoch is left, because the budget is spent or the run diverged."""
        return bool(self.diverged) or len(self.history) >= self.config.training.epochs

    def epochs(self) -> Iterator[EpochResult]:
        """Trains on from the present epoch to the end of the budget, or until it diverges."""
        while not self.finished:
            yield self._epoch()

    def _epoch(self) -> EpochResult:
        start = time.perf_counter()
        epoch = len(self.history) + 1
        # Of the epoch's own, so that a continued run draws what the whole one would.
        seed = _epoch_seed(self.config.seed, epoch)
        with seeded(seed, [self.device] if self.device.type == "cuda" else []):
            losses = self._train_epoch(epoch)
        errors = {} if self.diverged else self.errors("val")
        prediction = losses["prediction"]
        result = EpochResult(
            epoch=epoch,
            losses=losses,
            kd_ratio=self.config.gamma * losses["kd"] / prediction if prediction else math.nan,
            val_error=self.objective.judge(errors) if errors else math.nan,
            val_errors=errors,
            lr=self.lr,
            seconds=time.perf_counter() - start,
        )
        self.history.append(result)
        self._judge(result)
        return result

    def _train_epoch(self, epoch: int) -> dict[str, float]:
        self.model.train()
        train = self.data.split.train
        order = torch.randperm(len(train), generator=self.order).numpy()
        sums = torch.zeros(3, device=self.device, dtype=torch.float64)
        begins = self._begins()
        for step, (begin, end) in enumerate(zip(begins, [*begins[1:], len(order)], strict=True), 1):
            sums += self._step(train[order[begin:end]])
            if step % STEPS_BETWEEN_CHECKS == 0 and not torch.isfinite(sums).all():
                break
        if not torch.isfinite(sums).all():
            self.diverged = f"non-finite training loss in epoch {epoch}, seen at step {step}"
        means = (sums / len(order)).tolist()
        return dict(zip(("total", "prediction", "kd"), means, strict=True))

    def _begins(self) -> list[int]:
        """Where the batches of an epoch begin.

        Batch normalisation cannot work on a rest of one sample: it joins the batch before.
        """
        n, size = len(self.data.split.train), self.objective.batch_size
        begins = list(range(0, n, size))
        return begins[:-1] if self._whole and n > size and n % size == 1 else begins

    def _step(self, indices: NDArray[Any]) -> Tensor:
        """One optimiser step; the summed losses [total, prediction, kd] of its samples."""
        self.optimizer.zero_grad()
        size = len(indices) if self._whole else self.objective.micro_batch_size
        losses = torch.zeros(3, device=self.device)
        for begin in range(0, len(indices), size):
            losses += self._backward(indices[begin : begin + size], indices)
        nn.utils.clip_grad_norm_(self.parameters, self.config.training.clip_norm)
        self.optimizer.step()
        self.lr = float(self.schedule.get_last_lr()[0])
        self.schedule.step()
        self.averaged.update()
        return losses.double() * len(indices)

    def _backward(self, indices: NDArray[Any], batch: NDArray[Any]) -> Tensor:
        """Adds the gradient of some samples of a batch; their shares in its losses."""
        loss = self.objective.loss(self.model, indices, batch)
        gamma, lkm = self.config.gamma, self.config.lkm
        # Without a graph for γ = 0: the term is only measured then.
        with torch.set_grad_enabled(gamma > 0):
            kd, own = mixing_term(self.mixing, loss, lkm)
        total = loss.prediction + gamma * kd if gamma > 0 else loss.prediction
        torch.autograd.backward(total + own if own.requires_grad else total)
        return torch.stack([total, loss.prediction, kd]).detach()

    def _shape(self) -> tuple[int, int, int]:
        """How many layers and features the network has, and outputs, seen on one sample."""
        one = self.data.split.train[:1]
        self.model.eval()
        output = self.objective.loss(self.model, one, one).output
        return len(output.layers), output.layers[0].shape[1], output.prediction.shape[1]

    def _judge(self, result: EpochResult) -> None:
        """Keeps the weights of the best epoch; notices a run that has diverged."""
        if self.diverged:
            return
        mean_error = self._val_mean_error
        factor = self.config.training.divergence_factor
        if not result.val_error <= factor * mean_error:
            self.diverged = (
                f"validation error {result.val_error:.4g} in epoch {result.epoch} is above "
                f"{factor:g} times that of predicting the mean, {mean_error:.4g}"
            )
        elif result.val_error < self.best_error:
            self.best_epoch, self.best_error = result.epoch, result.val_error
            weights = self.averaged.network.state_dict()
            self.best_weights = {name: w.detach().clone() for name, w in weights.items()}

    @torch.no_grad()
    def errors(self, part: Part) -> dict[str, float]:
        """Every error of the averaged weights on a part, in the task's unit."""
        return self.objective.errors(self.averaged.network, self.data.split.part(part))

    def _mean_error(self, part: Part) -> float:
        return self.objective.judge(self.objective.mean_errors(part))

    def result(self) -> RunResult:
        """The end of a finished run: loads the best weights and tests them, once.

        Raises:
            RuntimeError: if there are epochs left.
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
            seconds=sum(epoch.seconds for epoch in self.history),
            device=device_name(self.device),
            kd_ratio=self.history[-1].kd_ratio,
            code=code_digest(self.config.model),
        )

    def state_dict(self) -> dict[str, Any]:
        """Everything that continuing exactly needs, as tensors and plain data."""
        return {
            "config": self.config.to_dict(),
            "model": self.model.state_dict(),
            "mixing": self.mixing.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "order": self.order.get_state(),
            "history": [epoch.to_dict() for epoch in self.history],
            "best_epoch": self.best_epoch,
            "best_error": self.best_error,
            "best_weights": self.best_weights,
            "diverged": self.diverged,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of `state_dict`.

        Raises:
            ValueError: if the state is of a run with another config.
        """
        if RunConfig.from_dict(state["config"]) != self.config:
            raise ValueError(
                f"a state continues only the run it is of: it is of {state['config']}, "
                f"but this run is {self.config.to_dict()}"
            )
        self.model.load_state_dict(state["model"])
        # A study that was begun before there was anything to load here goes on.
        self.mixing.load_state_dict(state.get("mixing", {}))
        self.averaged.load_state_dict(state["averaged"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.order.set_state(state["order"].cpu())
        self.history = [EpochResult(**epoch) for epoch in state["history"]]
        self.best_epoch, self.best_error = state["best_epoch"], state["best_error"]
        self.best_weights = state["best_weights"]
        self.diverged = state["diverged"]


def mixing_term(mixing: Mixing, loss: Loss, options: LkmOptions) -> tuple[Tensor, Tensor]:
    """The share of some samples in L_KD of their batch, and in the loss of the mixing itself."""
    layers = loss.output.layers
    weights, own = mixing(layers, loss.judge)
    kd = layer_mixing_loss(layers, options.distance, options.reduction, options.teacher, weights)
    return kd * loss.share, own


def _epoch_seed(seed: int, epoch: int) -> int:
    return int(np.random.SeedSequence((seed, epoch)).generate_state(1, np.uint64)[0])
