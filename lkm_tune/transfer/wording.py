"""Numbers as text for people."""

from __future__ import annotations

import math
from collections.abc import Sequence

NO_BREAK = "\N{NO-BREAK SPACE}"


def gamma_text(gamma: float) -> str:
    """γ to two significant digits."""
    # Rounded first: otherwise 100 to two digits would be 1e+02.
    return f"{float(f'{gamma:.2g}'):g}" if math.isfinite(gamma) else "unknown"


def percent(fraction: float) -> str:
    """A fraction as a percentage: `2.1 %`, with a no-break space."""
    if math.isnan(fraction):
        return "unknown"
    if math.isinf(fraction):
        return "without bound"
    digits = 1 if abs(fraction) < 0.9995 else 0
    text = f"{100 * fraction:.{digits}f}".replace("-", "−")
    # A no-break space keeps the number and the sign on one line.
    return f"{text.removeprefix('−') if text == '−0.0' else text}{NO_BREAK}%"


def margin_text(margin: float) -> str:
    """A margin as a percentage: `2 %`, with a no-break space."""
    return f"{100 * margin:g}{NO_BREAK}%"


def at_most(fraction: float) -> str:
    """An upper bound as a percentage, rounded up; 0 gives `0.1 %`."""
    if not math.isfinite(fraction):
        return percent(fraction)
    return percent(max(math.ceil(1000 * fraction - 1e-9), 1) / 1000)


def cost_text(bound: float) -> str:
    """An upper bound as a number of per cent for a matrix, rounded up; "" without bound."""
    if not math.isfinite(bound):
        return ""
    if bound > 0.99:
        return ">99"
    if bound > 0.099:
        return f"{math.ceil(100 * bound)}"
    return at_most(bound).removesuffix(f"{NO_BREAK}%")


def span(low: float, high: float) -> str:
    """An interval of fractions: `1.0 to 3.2 %`."""
    if math.isnan(low) or math.isnan(high):
        return "no interval"
    if math.isinf(high):
        return f"{percent(low)} or more"
    return f"{percent(low).removesuffix(f'{NO_BREAK}%')} to {percent(high)}"


def estimate(value: float, low: float, high: float) -> str:
    """A fraction with its interval: `2.5 % (0.5 to 4.2 %)`."""
    return f"{percent(value)} ({span(low, high)})"


def count_text(count: int) -> str:
    """A count, as a word up to twelve."""
    return _WORDS[count] if count < len(_WORDS) else f"{count:,}"


def counted(count: int, one: str, many: str = "") -> str:
    """A count with its noun, and the verb if it follows: `1 run is`, `2 runs are`.

    Args:
        count: the count.
        one: the words after 1.
        many: the words after another count; by default `one` with an s.
    """
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"


_WORDS = (
    *("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve"),
)


def listed(names: Sequence[str], most: int = 4) -> str:
    """Names, separated by semicolons; after `most` names, only the number of further names."""
    more = len(names) - most
    return "; ".join(names[:most]) + (f"; and {more} more" if more > 0 else "")


def number_text(value: float) -> str:
    """An error or another number to four significant digits."""
    return f"{value:.4g}".replace("-", "−") if math.isfinite(value) else "–"


def short_text(value: float) -> str:
    """A number to two significant digits."""
    return f"{value:.2g}".replace("-", "−") if math.isfinite(value) else "–"
