"""The plans of a study: data, training, search, curve, report, tracking and resources."""

from dataclasses import asdict, replace
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag
from pydantic.dataclasses import dataclass

from lkm_tune.study.space import STRICT

Positive = Annotated[int, Field(ge=1)]
PositiveFloat = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False), AfterValidator(lambda x: x + 0.0)]
"""A number that is 0 or more; −0 becomes 0, which texts and JSON show without a sign."""
Share = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]
Trials = Annotated[int, Field(ge=0, le=100_000)]
Epochs = Annotated[int, Field(ge=1, le=1_000_000)]
ArraySize = Annotated[int, Field(ge=1, le=1_000)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]


def _seeds_kind(value: Any) -> str:
    return "listed" if isinstance(value, list | tuple) else "counted"


Seeds = Annotated[
    Annotated[Annotated[int, Field(ge=1, le=1000)], Tag("counted")]
    | Annotated[Annotated[tuple[Seed, ...], Field(min_length=1, strict=False)], Tag("listed")],
    Discriminator(_seeds_kind),
]
"""A number n, for the seeds 1 to n, or a list of seeds."""


def _auto_kind(value: Any) -> str:
    return "text" if isinstance(value, str) else "number"


Auto = Annotated[Literal["auto"], Tag("text")]


@dataclass(frozen=True, config=STRICT)
class DataPlan:
    """The samples, and the sizes of the training, validation and test parts.

    None stands for the usual value of the dataset. `source` is `auto` (a known folder, the cache, a
    download), `sample` (the QM9 molecules of the package) or a path. `n_test` None means all
    remaining samples. `split` is `random`, `scaffold` (molecules of one scaffold stay in one part)
    or the name of a published split, such as `published-01`. `target` to `atom_energies` describe a
    user's file. The keys after them decide about molecules that no network can use unchanged
    (docs/datasets.md).
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
    max_skipped: Share | None = None
    fragments: Literal["refuse", "largest", "keep"] | None = None
    charged: Literal["refuse", "neutralise", "keep"] | None = None
    repeated: Literal["refuse", "first", "mean"] | None = None
    conformer: Literal["etkdg"] | None = None

    def over(self, other: "DataPlan") -> "DataPlan":
        """This plan, with the values of `other` for keys that are None here."""
        given = {k: v for k, v in asdict(self).items() if v is not None}
        return replace(other, **given)


@dataclass(frozen=True, config=STRICT)
class TrainingPlan:
    """One training run: Adam, linear warmup, cosine annealing to 0 over all `epochs`, EMA.

    `divergence_factor`: a run whose validation error exceeds this many times the error of
    predicting the mean has diverged. `force_weight`: w of the loss L1(E) + w·L1(F) of tasks with
    forces; 0 learns only energies. `judged_by`: the error that ranks runs of such tasks.
    `micro_batch_size`: a batch goes through the network this many samples at a time, which needs
    less memory and gives the same gradient. It excludes networks with batch normalisation.
    `matmul`: the precision of matrix products on a GPU; `high` is TF32. `deterministic`: whether
    runs on a GPU give the same numbers every time. `capture`: `auto` repeats the steps on a GPU by
    CUDA graphs where these give the same numbers up to rounding.
    """

    epochs: Epochs = 150
    batch_size: Positive = 32
    lr: PositiveFloat = 5e-4
    warmup_epochs: NonNegative = 1.0
    weight_decay: NonNegative = 0.0
    ema_decay: Share = 0.999
    clip_norm: PositiveFloat = 1000.0
    divergence_factor: PositiveFloat = 100.0
    eval_batch_size: Positive = 128
    micro_batch_size: Positive | None = None
    force_weight: NonNegative = 100.0
    judged_by: Literal["energy", "forces"] = "energy"
    matmul: Literal["highest", "high"] = "highest"
    deterministic: bool = False
    capture: Literal["auto", "off"] = "auto"


@dataclass(frozen=True, config=STRICT)
class LkmOptions:
    """Choices of the mixing term that the paper leaves open; γ is comparable only at equal choices.

    `mixing`: the variant, which sets the weight of each layer as a teacher of each other layer.
    """

    distance: Literal["l2", "l1"] = "l2"
    reduction: Literal["mean", "sum"] = "mean"
    teacher: Literal["live", "detached"] = "live"
    mixing: Literal["uniform", "neighbours", "learned", "confidence"] = "uniform"


@dataclass(frozen=True, config=STRICT)
class SearchPlan:
    """The search of a cell.

    `trials`: 0 if γ is the only free setting; the study then has only curves.
    `control`: whether γ = 0 has a separate search with as many trials. Without it, the control runs
    at settings that were chosen for γ > 0. Limits apply to the whole study, over all its runs:
    `trial_limit` in trials, `time_limit` in hours of wall time, `compute_limit` in GPU-hours of its
    trials (CPU-hours if they hold no GPU).
    Rungs lie at `grace_period · reduction_factor^k` epochs.
    """

    trials: Trials = 50
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
    adds seeds, up to `max_seeds`, until every pair of cells has a verdict; `seeds` uses exactly the
    given seeds. None means `decided` if `seeds` is a number, and `seeds` if it is a list.
    `guarantee`: the looks at the results share the error rate of 5 % (docs/transfer.md).
    `diagnostics`: runs of the curve record figures of their layers in each epoch, and the report
    draws them.
    """

    gammas: Annotated[tuple[NonNegative, ...], Field(min_length=2, strict=False)] = (
        0.0, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0,
    )  # fmt: skip
    seeds: Seeds = 3
    until: Literal["decided", "seeds"] | None = None
    max_seeds: Annotated[int, Field(ge=1, le=1000)] = 12
    guarantee: bool = False
    diagnostics: bool = False

    @property
    def first_seeds(self) -> tuple[int, ...]:
        """The seeds of every γ, before the first look at the results."""
        seeds = self.seeds
        return tuple(range(1, seeds + 1)) if isinstance(seeds, int) else seeds

    @property
    def adaptive(self) -> bool:
        """Whether the study adds seeds until the pairs of cells are decided."""
        until = self.until or ("decided" if isinstance(self.seeds, int) else "seeds")
        return until == "decided"


@dataclass(frozen=True, config=STRICT)
class ReportPlan:
    """The report. `margin`: the difference of the error, as a fraction, that does not matter.

    Verdicts and `curve.until: decided` use it.
    """

    margin: Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)] = 0.02


@dataclass(frozen=True, config=STRICT)
class TrackingPlan:
    """Records in addition to the figures of trials.

    `system_metrics`: the load of the node in every epoch.
    """

    system_metrics: bool = False


@dataclass(frozen=True, config=STRICT)
class Resources:
    """The resources that a running trial holds; fractions of a GPU share it.

    `gpu` may be `auto`: a short probe then decides how many trials share a GPU. `array` is the
    largest number of trials that train as one program, and hold the resources of one trial: curve
    points of one seed, or search trials that differ in `APART` alone. `auto` is 1 where this is not
    faster.
    """

    cpu: PositiveFloat = 1.0
    gpu: Annotated[Annotated[NonNegative, Tag("number")] | Auto, Discriminator(_auto_kind)] = 0.0
    array: Annotated[Annotated[ArraySize, Tag("number")] | Auto, Discriminator(_auto_kind)] = "auto"
