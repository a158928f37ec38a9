"""The weights of several runs side by side, with their optimiser and their averages."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from lkm_tune.training.steps import Gradients, Rate
from lkm_tune.training.training_run import TrainingRun

_MOMENTS = ("exp_avg", "exp_avg_sq")

Leaves = dict[str, Tensor]
"""[K, ...] values of K runs by the name of the parameter."""


class Stack:
    """K runs of equal networks as the rows of tensors [K, P].

    The P numbers of a row are the parameters of the network, then the parameters of the mixing.
    The stack copies the state of the runs at its start, and `write_back` copies it to the runs.

    Attributes:
        weights: the parameters of the networks, as views of the rows.
        mixing: the parameters of the mixings, as views of the rows.
        gammas: γ of each run [K].
    """

    def __init__(self, runs: Sequence[TrainingRun], used: Sequence[Sequence[bool]]) -> None:
        """Copies the state of runs.

        Args:
            runs: K runs that have made equally many steps.
            used: for each run, whether its loss depends on each parameter.
        """
        self._runs, self._used = runs, used
        first = runs[0]
        self._shapes = [parameter.shape for parameter in parameters_of(first)]
        self._steps, self._average = first.schedule.last_epoch, first.averaged
        self._rows = torch.stack([_flat(parameters_of(run)) for run in runs])
        self._averages = torch.stack([_flat(run.averaged.network.parameters()) for run in runs])
        self._moments = [torch.stack([_moment(run, name) for run in runs]) for name in _MOMENTS]
        # Adam skips a parameter without a gradient, so such a parameter does not decay either.
        self._decays = torch.stack([_decays(run, on) for run, on in zip(runs, used, strict=True)])
        self._clip = first.config.training.clip_norm
        self._lrs = [run.config.training.lr for run in runs]
        self._bases = self._rows.new_tensor(self._lrs, dtype=torch.float32)
        self.gammas = self._rows.new_tensor([run.config.gamma for run in runs])
        self._optimizer = self._make_optimizer()
        self._leaves = [view.requires_grad_() for view in self._split(self._rows)]
        self._names = [name for name, _ in first.model.named_parameters()]
        self.weights: Leaves = dict(zip(self._names, self._leaves, strict=False))
        mixed = [name for name, _ in first.mixing.named_parameters()]
        self.mixing: Leaves = dict(zip(mixed, self._leaves[len(self._names) :], strict=True))

    def _make_optimizer(self) -> torch.optim.Adam:
        rows = [nn.Parameter(row) for row in self._rows.unbind()]
        optimizer = torch.optim.Adam([{"params": [row]} for row in rows], fused=True)
        for k, row in enumerate(rows):
            moments = {name: m[k] for name, m in zip(_MOMENTS, self._moments, strict=True)}
            step = torch.tensor(float(self._steps), device=row.device)
            optimizer.state[row] = {"step": step, **moments}
        return optimizer

    @property
    def averages(self) -> Leaves:
        """The averaged weights of the networks."""
        return dict(zip(self._names, self._split(self._averages), strict=True))

    def gradient(self, losses: Tensor) -> Tensor:
        """[K, P] gradients of K losses; the loss of a run depends on the row of the run alone."""
        found = torch.autograd.grad(losses.sum(), self._leaves, allow_unused=True)
        return torch.cat(
            [
                (torch.zeros_like(leaf) if grad is None else grad).flatten(1)
                for leaf, grad in zip(self._leaves, found, strict=True)
            ],
            dim=1,
        )

    @torch.no_grad()
    def clip(self, gradient: Tensor) -> None:
        """Clips the gradient [K, P] of each run in place, and adds the weight decay."""
        network = gradient[:, : self._averages.shape[1]]
        norms = torch.linalg.vector_norm(network, dim=1, keepdim=True)
        network.mul_((self._clip / (norms + 1e-6)).clamp(max=1.0))
        gradient.addcmul_(self._decays, self._rows)

    def rates(self) -> tuple[float, float]:
        """See `Program`."""
        return self._factor(self._steps), 1.0 - self._average.next_decay

    def _factor(self, step: int) -> float:
        """The factor of the learning rates, equal for all runs."""
        (factor,) = self._runs[0].schedule.lr_lambdas
        return float(factor(step))

    @torch.no_grad()
    def update(self, gradients: Gradients, factor: Rate, share: Rate) -> None:
        """Moves the weights and averages of every run, as `TrainingRun` does.

        Args:
            gradients: the row [P] of each run.
            factor: factor of the learning rates.
            share: share of the new weights in the averages.
        """
        held = isinstance(factor, Tensor)
        rates: Iterable[Rate] = (
            (self._bases * factor).unbind() if held else [lr * factor for lr in self._lrs]
        )
        groups = self._optimizer.param_groups
        for group, rate, (grad,) in zip(groups, rates, gradients, strict=True):
            group |= {"lr": rate, "capturable": held}
            group["params"][0].grad = grad
        self._optimizer.step()
        if isinstance(share, Tensor):
            share = share.to(self._averages.dtype)
        n = self._averages.shape[1]
        self._averages.lerp_(self._rows[:, :n], share)

    def count(self) -> None:
        """See `Program`."""
        self._steps += 1
        for run in self._runs:
            run.averaged.updates += 1

    def state(self) -> list[Tensor]:
        """See `Program`."""
        steps = [state["step"] for state in self._optimizer.state.values()]
        return [self._rows, self._averages, *self._moments, *steps]

    @torch.no_grad()
    def write_back(self) -> None:
        """Copies the rows to the runs."""
        for k, (run, lr) in enumerate(zip(self._runs, self._lrs, strict=True)):
            torch._foreach_copy_(tuple(parameters_of(run)), self._of(self._rows[k]))
            averages = tuple(run.averaged.network.parameters())
            torch._foreach_copy_(averages, self._of(self._averages[k]))
            moments = [self._of(moment[k].clone()) for moment in self._moments]
            # An element for each parameter: the optimiser of the run changes it in place.
            steps = torch.full((len(self._shapes),), float(self._steps), device=run.device).unbind()
            for parameter, used, step, *both in zip(
                parameters_of(run), self._used[k], steps, *moments, strict=True
            ):
                if used:
                    state = dict(zip(_MOMENTS, both, strict=True))
                    run.optimizer.state[parameter] = {"step": step, **state}
            rate = lr * self._factor(self._steps)
            run.optimizer.param_groups[0]["lr"] = rate
            now = {"last_epoch": self._steps, "_step_count": self._steps + 1, "_last_lr": [rate]}
            run.schedule.load_state_dict(run.schedule.state_dict() | now)
            run.lr = lr * self._factor(self._steps - 1)

    def _split(self, rows: Tensor) -> list[Tensor]:
        """The parameters in rows [K, P], or in rows of the network alone, as views [K, ...]."""
        views, begin = [], 0
        for shape in self._shapes:
            end = begin + shape.numel()
            if end > rows.shape[1]:
                break
            views.append(rows[:, begin:end].view(-1, *shape))
            begin = end
        return views

    def _of(self, row: Tensor) -> list[Tensor]:
        return [view.squeeze(0) for view in self._split(row.unsqueeze(0))]


def parameters_of(run: TrainingRun) -> list[nn.Parameter]:
    """The parameters of the network, then of the mixing."""
    return [*run.parameters, *run.mixing.parameters()]


def _flat(tensors: Iterable[Tensor]) -> Tensor:
    return torch.cat([tensor.detach().flatten() for tensor in tensors])


def _moment(run: TrainingRun, name: str) -> Tensor:
    states = run.optimizer.state
    return _flat(
        states[p][name] if p in states else torch.zeros_like(p) for p in parameters_of(run)
    )


def _decays(run: TrainingRun, used: Sequence[bool]) -> Tensor:
    decay = run.config.training.weight_decay
    return _flat(
        torch.full_like(p, decay if on else 0.0)
        for p, on in zip(parameters_of(run), used, strict=True)
    )
