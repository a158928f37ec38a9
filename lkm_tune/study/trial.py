"""A cell of a study, a trial of a cell, and the training run of a trial."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass as checked_dataclass

from lkm_tune.study.plan import DataPlan, LkmOptions, NonNegative, TrainingPlan
from lkm_tune.study.space import STRICT, Scalar

LONGEST_KEY = 120
"""Largest number of characters in the name of a cell's folder."""

Phase = Literal["search", "control", "curve", "control_curve"]
"""The purpose of a trial.

`search`: γ is free. `control`: γ = 0, in a separate search over the other settings. `curve`: one γ
of the grid with one seed at the cell's best settings. `control_curve`: γ = 0 with one seed at the
best settings of the control.
"""

SEARCHES: tuple[Phase, ...] = ("search", "control")
"""The phases whose trials halving may stop."""


APART = ("gamma", "lr", "weight_decay")
"""The settings in which the trials of an array may differ: they change neither the network nor the
batches, so that one program trains all of them."""


@dataclass(frozen=True)
class Cell:
    """One model on one task with a fixed number of training samples.

    `compared` holds the names of `Study.compare` with their values in this cell.
    """

    model: str
    task: str
    n_train: int
    compared: tuple[tuple[str, Scalar], ...] = ()

    @cached_property
    def key(self) -> str:
        """A name for folders and tags: `pamnet-qm9_homo-300`, `pamnet-qm9_homo-300-depth_2`."""
        parts = [self.model, self.task, str(self.n_train)]
        parts += [f"{name} {value}" for name, value in self.compared if name != "n_train"]
        whole = "-".join(map(_safe, parts))
        if len(whole) <= LONGEST_KEY:
            return whole
        # The path of a user's file may be too long for the name of a folder.
        digest = hashlib.sha256(whole.encode()).hexdigest()[:8]
        return f"{whole[: LONGEST_KEY - 9]}-{digest}"

    @property
    def variant(self) -> str:
        """The model with its compared values: `pamnet`, `pamnet[mixing=learned]`.

        Analyses use this name; they have depth and sample size in separate columns.
        """
        rest = [f"{k}={v}" for k, v in self.compared if k not in ("depth", "n_train")]
        return f"{self.model}[{', '.join(rest)}]" if rest else self.model

    @property
    def address(self) -> str:
        """The name in commands: `pamnet@qm9/homo`, `pamnet@qm9/homo@depth=2`."""
        return "@".join([self.model, self.task, *(f"{k}={v}" for k, v in self.compared)])

    def __str__(self) -> str:
        """The name in texts: `pamnet on qm9/homo`, `pamnet on qm9/homo, depth 2`."""
        return ", ".join([f"{self.model} on {self.task}", *(f"{k} {v}" for k, v in self.compared)])

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Cell":
        """The inverse of `dataclasses.asdict`, also for data from JSON."""
        compared = tuple((name, value) for name, value in data.get("compared", ()))
        return cls(**{**data, "compared": compared})


@dataclass(frozen=True)
class TrialSpec:
    """One trial, a pure function of its identity: (cell, phase, settings, seed).

    `settings` holds every searched name with its value, including `gamma`. `epochs` is the full
    budget.
    """

    study: str
    cell: Cell
    phase: Phase
    number: int
    settings: Mapping[str, Any]
    seed: int
    epochs: int

    @property
    def key(self) -> str:
        """A unique, deterministic name: `pamnet-qm9_homo-300/curve/0003-1f2e3d4c`."""
        identity = [self.cell.key, self.phase, dict(self.settings), self.seed]
        text = json.dumps(identity, sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()[:8]
        return f"{self.cell.key}/{self.phase}/{self.number:04d}-{digest}"

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for a Tune config or a file."""
        return asdict(self) | {"settings": dict(self.settings)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "TrialSpec":
        """The inverse of `to_dict`."""
        return cls(**{**data, "cell": Cell.from_dict(data["cell"])})


@checked_dataclass(frozen=True, config=STRICT)
class RunConfig:
    """The configuration of one training run. Equal configurations give equal numbers.

    `lkm-tune export` writes its fields as the keys of a file.
    """

    model: str
    task: str
    model_settings: Mapping[str, Any] = Field(default_factory=dict)
    data: DataPlan = Field(default_factory=DataPlan)
    training: TrainingPlan = Field(default_factory=TrainingPlan)
    lkm: LkmOptions = Field(default_factory=LkmOptions)
    gamma: NonNegative = 0.0
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for a file."""
        return asdict(self) | {"model_settings": dict(self.model_settings)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "RunConfig":
        """The inverse of `to_dict`."""
        parts = {"data": DataPlan, "training": TrainingPlan, "lkm": LkmOptions}
        return cls(**{k: parts[k](**v) if k in parts else v for k, v in data.items()})


def _safe(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9.+]+", "_", text).strip("_")
