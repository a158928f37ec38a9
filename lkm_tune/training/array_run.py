"""Training of several runs as one program: they share each batch and differ in γ."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import cast

import torch
from torch import Tensor, nn
from torch.func import vmap

from lkm_tune.models import NODE_MODELS, WithWeights, model_settings, torch_forms
from lkm_tune.study import RunConfig
from lkm_tune.training.ahead import ahead
from lkm_tune.training.array_program import ArrayProgram
from lkm_tune.training.numerics import numerics
from lkm_tune.training.samples import Prepared
from lkm_tune.training.schedule import saved_buffers
from lkm_tune.training.stack import Leaves, Stack, parameters_of
from lkm_tune.training.steps import Steps
from lkm_tune.training.training_run import STEPS_BETWEEN_CHECKS, TrainingRun

TOLERANCE = 1e-3
"""The largest difference between a gradient in the array and alone, relative to its norm.

Rounding gives about 1e-6 in single precision."""

WIDEST_ON_CPU = 32
"""The largest width at which an array of graph convolutions is used on a CPU.

An epoch of 8 runs takes 0.38 to 0.68 of the processor time of single runs up to this width, 0.77 to
0.95 at width 64, and more than 1 at width 128. Networks with C kernels gain little or lose (PAMNet
0.88, MXMNet 1.15 at width 16): `torch.func.vmap` goes through the operations of torch instead.
"""


class ArrayError(ValueError):
    """Runs cannot train as one array; each of them can train alone."""


class ArrayRun:
    """Trains K runs of one seed that differ in γ, learning rate and weight decay alone.

    `torch.func.vmap` goes over the weights of the runs, so that K networks need about as many
    operations as one network. All runs share the batches and the random draws, which their seed
    decides. The numbers equal the numbers of K single runs up to rounding.

    Between two epochs each run has its whole state for itself: its checkpoint continues it alone or
    in another array. A run that ends leaves the array; the last run trains alone. Memory of a step
    is K times the memory of a single run.

    Attributes:
        runs: all runs, also ended runs. A caller may take runs out between two epochs.
        steps: makes the steps, from the first epoch on.
    """

    steps: Steps

    def __init__(self, runs: Sequence[TrainingRun]) -> None:
        """Compares the array with a single run, on one batch.

        Args:
            runs: the runs, all after the same epoch.

        Raises:
            ArrayError: if the runs differ in more than γ, learning rate and weight decay, have
                different numbers of epochs, or their network cannot train in an array.
        """
        self.runs = list(runs)
        self._program: ArrayProgram | None = None
        _check_equal(self.runs)
        self._used = {id(run): used for run, used in zip(runs, self._compare(), strict=True)}

    def epochs(self) -> Iterator[list[TrainingRun]]:
        """Trains all runs to their ends; yields the runs of each epoch, whose history has it."""
        while live := [run for run in self.runs if not run.finished]:
            if len(live) == 1:
                next(live[0].epochs())
            else:
                self._epoch(live)
            yield live

    def _epoch(self, live: list[TrainingRun]) -> None:
        start = time.perf_counter()
        # The memory of the weights stays the same as long as the runs do: graphs refer to it.
        if self._program is None or self._program.runs != live:
            self._program, first = self.program(live), live[0]
            asked = first.config.training.capture == "auto"
            self.steps = Steps(self._program, first.batches, asked)
        stack = self._program.stack
        with live[0].epoch_seeded(), torch_forms():
            ends = self._train(live, self.steps)
        stack.write_back()
        losses = [run.mean_losses(*end) for run, end in zip(live, ends, strict=True)]
        with numerics(live[0].config.training, live[0].device), torch_forms():
            errors = self._validate(live, stack.averages)
        seconds = (time.perf_counter() - start) / len(live)
        for run, of_run, found in zip(live, losses, errors, strict=True):
            run.enter(of_run, {} if run.diverged else found, seconds)

    def _train(self, live: list[TrainingRun], make: Steps) -> list[tuple[Tensor, int]]:
        """The summed losses of each run in one epoch, and its last step."""
        first = live[0]
        first.model.train()
        batches = [run.batches.draw() for run in live][0]
        sums = torch.zeros(len(live), 3, device=first.device, dtype=torch.float64)
        ends: dict[int, tuple[Tensor, int]] = {}
        for step, ready in enumerate(ahead(batches, make.ready, first.device), 1):
            sums += make(ready)
            if step % STEPS_BETWEEN_CHECKS == 0:
                for k in torch.nonzero(~torch.isfinite(sums).all(dim=1)).flatten().tolist():
                    ends.setdefault(k, (sums[k].clone(), step))
                if len(ends) == len(live):
                    break
        return [ends.get(k, (sums[k], step)) for k in range(len(live))]

    @torch.no_grad()
    def _validate(self, live: Sequence[TrainingRun], averages: Leaves) -> list[dict[str, float]]:
        """The validation errors of each run by name."""
        first = live[0]
        base, objective = first.averaged.network, first.objective
        counts: dict[str, int] = {}

        def totals(weights: Leaves) -> dict[str, Tensor]:
            parts = objective.parts(base, first.data.split.val)
            network = cast(nn.Module, WithWeights(base, weights))
            found = objective.totals(network, parts)
            counts.update({name: count for name, (_, count) in found.items()})
            return {name: total for name, (total, _) in found.items()}

        sums = vmap(totals, randomness="same")(averages)
        columns = torch.stack(list(sums.values()), dim=1).tolist()
        return [
            {name: total / counts[name] for name, total in zip(sums, row, strict=True)}
            for row in columns
        ]

    def program(self, live: Sequence[TrainingRun]) -> ArrayProgram:
        """The step of some of the runs, from their present state."""
        return ArrayProgram(live, Stack(live, [self._used[id(run)] for run in live]))

    def _compare(self) -> list[list[bool]]:
        """Whether the loss of each run depends on each parameter, by a comparison on a batch.

        Raises:
            ArrayError: if the gradients in the array differ from those of single runs.
        """
        first = self.runs[0]
        parts = first.batches.parts(first.data.split.train[: first.objective.batch_size])
        # With γ = 0 fewer parameters can matter, so one run of each kind trains alone.
        kinds = {run.config.gamma > 0: k for k, run in reversed(list(enumerate(self.runs)))}
        alone = {mixes: _gradient_alone(self.runs[k], parts) for mixes, k in kinds.items()}
        used = [[g is not None for g in alone[run.config.gamma > 0]] for run in self.runs]
        stack = Stack(self.runs, used)
        try:
            with first.epoch_seeded(), torch_forms():
                _, gradient = ArrayProgram(self.runs, stack).unclipped(parts)
                self._validate(self.runs, stack.averages)
        except Exception as error:
            said = (str(error).splitlines() or [""])[0]
            raise ArrayError(
                f"{first.config.model} cannot train in an array, because torch.func.vmap fails "
                f"with {type(error).__name__}: {said}"
            ) from error
        for mixes, k in kinds.items():
            known = torch.cat(
                [
                    (torch.zeros_like(p) if g is None else g).flatten()
                    for p, g in zip(parameters_of(first), alone[mixes], strict=True)
                ]
            )
            # A run that has diverged says nothing.
            if (gradient[k] - known).norm() > TOLERANCE * known.norm():
                raise ArrayError(
                    f"{first.config.model} cannot train in an array: its gradient there differs "
                    f"from its gradient alone by {float((gradient[k] - known).norm()):.2g}, and "
                    f"the gradient is {float(known.norm()):.2g}"
                )
        return used


def train_all(
    runs: Sequence[TrainingRun], remark: Callable[[str], None]
) -> Iterator[list[TrainingRun]]:
    """Trains runs to their ends, as an array if this is faster and possible.

    Args:
        runs: runs that differ in γ, learning rate and weight decay alone.
        remark: receives the reason why the runs train one after the other.

    Yields:
        Runs that have made an epoch.
    """
    if len(runs) > 1 and array_pays(runs[0].config, runs[0].device.type):
        try:
            array = ArrayRun(runs)
        except ArrayError as error:
            remark(f"note: the networks train one after the other: {error}")
        else:
            yield from array.epochs()
            return
    for run in runs:
        for _ in run.epochs():
            yield [run]


def array_pays(config: RunConfig, device: str) -> bool:
    """Whether an array of runs of a config is faster than single runs on a kind of device."""
    if device != "cpu":
        return True
    if config.model not in NODE_MODELS:
        return False
    width = config.model_settings.get("hidden", model_settings(config.model)["hidden"])
    return int(width) <= WIDEST_ON_CPU


def _gradient_alone(run: TrainingRun, parts: Sequence[Prepared]) -> list[Tensor | None]:
    """The gradient of each parameter of a run on one batch; the run stays as it is.

    Raises:
        ArrayError: if the network changes buffers of its state: they would belong to all runs.
    """
    buffers = saved_buffers(run.model)
    before = [buffer.clone() for buffer in buffers]
    run.model.train()
    run.optimizer.zero_grad()
    with run.epoch_seeded():
        for part in parts:
            run.add_gradient(part)
    found = [parameter.grad for parameter in parameters_of(run)]
    run.optimizer.zero_grad()
    if not all(torch.equal(*pair) for pair in zip(buffers, before, strict=True)):
        torch._foreach_copy_(buffers, before)
        raise ArrayError(
            f"{run.config.model} cannot train in an array: training changes buffers in its state, "
            "such as the statistics of batch normalisation, which are not apart for each run"
        )
    return found


def _check_equal(runs: Sequence[TrainingRun]) -> None:
    """Refuses runs that do not share their batches, their steps or their kind of network."""
    if not runs:
        raise ArrayError("an array needs at least one run, but there is none")
    first = runs[0]
    for run in runs[1:]:
        if _shared(run.config) != _shared(first.config):
            raise ArrayError(
                "runs of an array may differ in gamma, training.lr and training.weight_decay, but "
                f"one has the config {run.config.to_dict()} and another {first.config.to_dict()}"
            )
        if len(run.history) != len(first.history):
            raise ArrayError(
                "runs of an array must have made equally many epochs, but one has made "
                f"{len(first.history)} and another {len(run.history)}"
            )
        if run.device != first.device or run.data.digest != first.data.digest:
            raise ArrayError(
                "runs of an array must have one device and one data set, but one has "
                f"{run.device} and {run.data.digest}, and another {first.device} and "
                f"{first.data.digest}"
            )


def _shared(config: RunConfig) -> RunConfig:
    return replace(config, gamma=0.0, training=replace(config.training, lr=1.0, weight_decay=0.0))
