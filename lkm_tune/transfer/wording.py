"""Numbers as people and as JSON read them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd


def plain(value: Any) -> Any:
    """A value as JSON can hold it: tuples as lists, NaN and ±inf as None."""
    if value is None or type(value) in (str, bool, int):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or value is pd.NaT or value is pd.NA:
        return None
    if isinstance(value, float):
        return plain(value)
    return value if isinstance(value, bool | int | str) else str(value)


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table as JSON can hold them."""
    columns = [_plain_column(table[name]) for name in table]
    return [dict(zip(map(str, table), row, strict=True)) for row in zip(*columns, strict=True)]


def _plain_column(column: pd.Series[Any]) -> list[Any]:
    if column.dtype != np.float64:
        return [plain(value) for value in column.to_numpy(dtype=object)]
    # Ten thousand pairs of cells have many numbers.
    return [value if math.isfinite(value) else None for value in column.tolist()]


def gamma_text(gamma: float) -> str:
    """γ to two significant digits."""
    # Rounded first: 100 to two digits is else written 1e+02.
    return f"{float(f'{gamma:.2g}'):g}" if math.isfinite(gamma) else "unknown"


def percent(fraction: float) -> str:
    """A fraction as a percentage: `2.1 %`, with a no-break space."""
    if math.isnan(fraction):
        return "unknown"
    if math.isinf(fraction):
        return "without bound"
    digits = 1 if abs(fraction) < 0.9995 else 0
    text = f"{100 * fraction:.{digits}f}".replace("-", "−")
    # A no-break space: a number never stands at a line's end without its sign.
    return f"{text.removeprefix('−') if text == '−0.0' else text}\N{NO-BREAK SPACE}%"


def span(low: float, high: float) -> str:
    """An interval of fractions: `1.0 % to 3.2 %`."""
    return f"{percent(low)} to {percent(high)}"


def number_text(value: float) -> str:
    """An error or another number to four significant digits."""
    return f"{value:.4g}".replace("-", "−") if math.isfinite(value) else "–"


def short_text(value: float) -> str:
    """A number to two significant digits."""
    return f"{value:.2g}".replace("-", "−") if math.isfinite(value) else "–"
