"""Values and tables as JSON data."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd


def json_value(value: Any) -> Any:
    """A value as JSON data: tuples become lists, NaN and ±inf become None, numbers are rounded."""
    if value is None or type(value) in (str, bool, int):
        return value
    if isinstance(value, float):
        return _rounded(value) if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): json_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [json_value(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or value is pd.NaT or value is pd.NA:
        return None
    if isinstance(value, float):
        return json_value(value)
    return value if isinstance(value, bool | int | str) else str(value)


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table as JSON data."""
    columns = [_column_values(table[name]) for name in table]
    return [dict(zip(map(str, table), row, strict=True)) for row in zip(*columns, strict=True)]


def _column_values(column: pd.Series[Any]) -> list[Any]:
    if column.dtype != np.float64:
        return [json_value(value) for value in column.to_numpy(dtype=object)]
    # By column for speed: ten thousand pairs of cells have many numbers.
    return [_rounded(value) if math.isfinite(value) else None for value in column.tolist()]


def _rounded(value: float) -> float:
    """A number, rounded to twelve digits; further digits depend on the number of threads.

    −0 becomes 0.
    """
    return float(f"{value:.12g}") + 0.0
