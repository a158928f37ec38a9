"""The results of a training run, after every epoch and at its end."""

import math
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Outcome = Literal["complete", "stopped", "diverged", "failed"]
"""The end of a run: at its full budget, by the scheduler, by divergence, or by an error."""


@dataclass(frozen=True)
class EpochResult:
    """One epoch.

    Attributes:
        epoch: counted from 1.
        losses: means over the training samples: `total`, `prediction`, `kd` (L_KD without γ), on
            the scale of the normalised target.
        kd_ratio: γ · L_KD / L_pred; above 1 the mixing term outweighs the prediction loss.
        val_error: validation error of the averaged weights, in the unit of the task; NaN if the
            epoch diverged before validation.
        lr: learning rate of the epoch's last step.
        seconds: wall time of training and validation.
        val_errors: every validation error by name: `energy` and `forces` for tasks with forces, one
            per target for several targets, else `error`.
    """

    epoch: int
    losses: dict[str, float]
    kd_ratio: float
    val_error: float
    lr: float
    seconds: float
    val_errors: dict[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


@dataclass(frozen=True)
class RunResult:
    """A run that has ended; errors in the unit of the task.

    `val_mean_error` and `test_mean_error` are the errors of predicting the mean of the training
    part, which a useful network must beat. `test_errors` is every test error by name, as
    `EpochResult.val_errors`. `n_parameters` is the number of the network's parameters,
    `mixing_parameters` the number of selective mixing's. `device` is the name of the GPU or
    processor. `kd_ratio` belongs to the last epoch. `code` is the digest of the source file of a
    user's network, "" for a network of the package. `layer_cka` and `layer_rank` are the means over
    layers of the similarity to the next layer and of the effective rank, if they were measured.
    `reproducible` is whether a second run on this device gives the same numbers. `seconds` is the
    time of training, validation and measurements of layers; the last took `diagnostics_seconds`.
    """

    outcome: Outcome
    reason: str
    best_epoch: int
    val_error: float
    test_error: float
    val_mean_error: float
    test_mean_error: float
    n_parameters: int
    seconds: float
    device: str
    test_errors: dict[str, float] = field(default_factory=dict)
    mixing_parameters: int = 0
    kd_ratio: float = math.nan
    code: str = ""
    layer_cka: float | None = None
    layer_rank: float | None = None
    reproducible: bool = True
    diagnostics_seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)
