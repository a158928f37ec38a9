"""The search space: ranges as plain data, bounds inclusive."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, PlainValidator, model_validator
from pydantic.dataclasses import dataclass

STRICT = ConfigDict(extra="forbid", strict=True)
"""The parsing rules of a study file: unknown keys and silent conversions are errors."""

Finite = Annotated[float, Field(allow_inf_nan=False)]


def _scalar(value: Any) -> Any:
    if not isinstance(value, str | int | float):
        raise ValueError(f"must be text, a number, true or false, got {value!r}")
    return value


Scalar = Annotated[str | int | float | bool, PlainValidator(_scalar)]
"""One value of a choice, exactly as written: 1, 1.0 and true are different."""


@dataclass(frozen=True, config=STRICT)
class FloatRange:
    """Real numbers from `low` to `high`, inclusive; uniform in log10 if `log`."""

    type: Literal["float"]
    low: Finite
    high: Finite
    log: bool = False

    @model_validator(mode="after")
    def _check(self) -> "FloatRange":
        _check_bounds(self.low, self.high, self.log)
        return self


@dataclass(frozen=True, config=STRICT)
class IntRange:
    """Whole numbers from `low` to `high`, inclusive."""

    type: Literal["int"]
    low: int
    high: int
    log: bool = False

    @model_validator(mode="after")
    def _check(self) -> "IntRange":
        _check_bounds(self.low, self.high, self.log)
        return self


@dataclass(frozen=True, config=STRICT)
class Choice:
    """One of the listed values."""

    type: Literal["choice"]
    values: Annotated[tuple[Scalar, ...], Field(min_length=1, strict=False)]


Range = Annotated[FloatRange | IntRange | Choice, Field(discriminator="type")]
Space = Mapping[str, Range]


def _check_bounds(low: float, high: float, log: bool) -> None:
    if not low <= high:
        raise ValueError(f"`low <= high` must hold, but got (low={low}, high={high})")
    if log and low <= 0:
        raise ValueError(f"`low > 0` must hold on a log scale, but got (low={low})")
