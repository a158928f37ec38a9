"""The plans of a study: how data are split, networks trained, γ searched and its curve measured."""

from dataclasses import asdict, replace
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag
from pydantic.dataclasses import dataclass

from lkm_tune.study.space import STRICT

Positive = Annotated[int, Field(ge=1)]
PositiveFloat = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]


def _seeds_kind(value: Any) -> str:
    return "listed" if isinstance(value, list | tuple) else "counted"


Seeds = Annotated[
    Annotated[Annotated[int, Field(ge=1, le=1000)], Tag("counted")]
    | Annotated[Annotated[tuple[Seed, ...], Field(min_length=1, strict=False)], Tag("listed")],
    Discriminator(_seeds_kind),
]
"""A number n, which stands for the seeds 1 to n, or a list of seeds."""


@dataclass(frozen=True, config=STRICT)
class DataPlan:
    """Which samples, and how many of them are trained on, validated on and tested on.

    None leaves a key to what is usual for the dataset. `source` is `auto` (a known folder, the
    cache, a download), `sample` (the QM9 molecules that come with the package) or a path. `n_test`
    None means all that is left. `split` is `random`, `scaffold` (molecules alike stay together)
    or the name of a published one, as `published-01`. `target` to `atom_energies` describe a
    user's own file; the keys after them say what becomes of molecules that no network can take as
    they are (docs/datasets.md).
    """

    source: str | None = None
    n_train: Positive | None = None
    n_val: Positive | None = None
    n_test: Positive | None = None
    split: str | None = None
    target: str | None = None
    forces: str | None = None
    smiles: str | None = None
    unit: str | None = None
    atom_energies: bool | None = None
    unchecked: bool | None = None
    rare_elements: Literal["refuse", "train", "tell"] | None = None
    invalid: Literal["refuse", "skip"] | None = None
    max_skipped: Annotated[float, Field(ge=0, lt=1)] | None = None
    fragments: Literal["refuse", "largest", "keep"] | None = None
    charged: Literal["refuse", "neutralise", "keep"] | None = None
    repeated: Literal["refuse", "first", "mean"] | None = None
    conformer: Literal["etkdg"] | None = None

    def over(self, other: "DataPlan") -> "DataPlan":
        """This plan, and what `other` says where this one leaves it open."""
        given = {k: v for k, v in asdict(self).items() if v is not None}
        return replace(other, **given)


@dataclass(frozen=True, config=STRICT)
class TrainingPlan:
    """One training run: Adam, linear warmup, cosine annealing to 0 over all `epochs`, EMA.

    `divergence_factor`: a run whose validation error exceeds this many times the error of
    predicting the mean has diverged. `force_weight`: w of the loss L1(E) + w·L1(F) of tasks with
    forces; 0 learns energies alone. `judged_by`: which of their two errors decides.
    `micro_batch_size`: a batch goes through the network this many samples at a time, which needs
    less memory and gives the same gradient. Networks with batch normalisation are refused then.
    """

    epochs: Positive = 150
    batch_size: Positive = 32
    lr: PositiveFloat = 5e-4
    warmup_epochs: NonNegative = 1.0
    weight_decay: NonNegative = 0.0
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = 0.999
    clip_norm: PositiveFloat = 1000.0
    divergence_factor: PositiveFloat = 100.0
    eval_batch_size: Positive = 128
    micro_batch_size: Positive | None = None
    force_weight: NonNegative = 100.0
    judged_by: Literal["energy", "forces"] = "energy"


@dataclass(frozen=True, config=STRICT)
class LkmOptions:
    """Choices that the paper leaves open in the mixing term; γ is comparable only within one.

    `mixing`: how much each layer teaches each other one.
    """

    distance: Literal["l2", "l1"] = "l2"
    reduction: Literal["mean", "sum"] = "mean"
    teacher: Literal["live", "detached"] = "live"
    mixing: Literal["uniform", "neighbours", "learned", "confidence"] = "uniform"


@dataclass(frozen=True, config=STRICT)
class SearchPlan:
    """How a cell's settings are searched.

    `trials`: 0 where γ alone is free, so that its curve is the whole study.
    `control`: γ = 0 gets a search of its own with as many trials, so that the control is not
    judged at settings that were chosen for γ > 0. Limits are of the whole study, over all its runs:
    `trial_limit` in trials, `time_limit` in hours of wall time, `compute_limit` in GPU-hours that
    its trials hold, or CPU-hours where they hold no GPU.
    Rungs lie at `grace_period · reduction_factor^k` epochs.
    """

    trials: Annotated[int, Field(ge=0)] = 50
    sampler: Literal["tpe", "random"] = "tpe"
    startup_trials: Positive = 10
    grace_period: Positive = 10
    reduction_factor: Annotated[int, Field(ge=2)] = 3
    control: bool = True
    max_concurrent: Positive | None = None
    trial_limit: Positive | None = None
    time_limit: PositiveFloat | None = None
    compute_limit: PositiveFloat | None = None


@dataclass(frozen=True, config=STRICT)
class CurvePlan:
    """The response curve of a cell: every γ with every seed, at full budget.

    One seed means the same initial weights, split and batch order for every γ. `until`: `decided`
    adds seeds, up to `max_seeds`, until every pair of cells has a verdict; `seeds` ends with the
    seeds that are given. None means `decided` where `seeds` is a number and `seeds` where it is a
    list. `guarantee`: the looks at the results share the 5 % of error (docs/transfer.md).
    `diagnostics`: what mixing does inside the networks is recorded with the epochs of the curve's
    runs, and drawn.
    """

    gammas: Annotated[tuple[NonNegative, ...], Field(min_length=2, strict=False)] = (
        0.0, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0,
    )  # fmt: skip
    seeds: Seeds = 3
    until: Literal["decided", "seeds"] | None = None
    max_seeds: Positive = 12
    guarantee: bool = False
    diagnostics: bool = False

    @property
    def first_seeds(self) -> tuple[int, ...]:
        """The seeds that every γ is run with, whatever the results are."""
        seeds = self.seeds
        return tuple(range(1, seeds + 1)) if isinstance(seeds, int) else seeds

    @property
    def adaptive(self) -> bool:
        """Whether seeds are added until the pairs of cells are decided."""
        until = self.until or ("decided" if isinstance(self.seeds, int) else "seeds")
        return until == "decided"


@dataclass(frozen=True, config=STRICT)
class ReportPlan:
    """How the report judges. `margin`: a difference of the error that does not matter, a fraction.

    The verdicts of the report, and `curve.until: decided`, use it.
    """

    margin: Annotated[float, Field(gt=0, lt=1)] = 0.02


@dataclass(frozen=True, config=STRICT)
class TrackingPlan:
    """What is recorded beside a trial's own figures.

    `system_metrics`: with every epoch, how busy the node was that trained it.
    """

    system_metrics: bool = False


@dataclass(frozen=True, config=STRICT)
class Resources:
    """What one trial holds while it runs; fractions of a GPU share it.

    `gpu` may be `auto`: a short probe then decides how many trials share a GPU.
    """

    cpu: PositiveFloat = 1.0
    gpu: NonNegative | Literal["auto"] = 0.0
