"""Answers as a table on the terminal."""

from collections.abc import Callable
from typing import Any


def answer_table(answers: list[dict[str, Any]]) -> Any:
    """A row an answer; what does not differ between several is left to the sentences."""
    from rich.table import Table

    def differs(name: str) -> bool:
        return len({a[name] for a in answers}) > 1

    own = any(a["gain_own_control"] is not None for a in answers)
    columns: list[tuple[str, bool, Callable[[dict[str, Any]], str]]] = [
        ("task", True, lambda a: a["task"]),
        ("depth", differs("depth"), lambda a: str(a["depth"])),
        ("samples", differs("n_train"), lambda a: f"{a['n_train']:,}"),
        ("decision", True, lambda a: a["decision"]),
        ("γ", True, lambda a: _number(a["recommended"])),
        ("gain over γ = 0", True, lambda a: _percent(a["gain"])),
        ("interval", True, lambda a: f"{_percent(a['gain_low'])} … {_percent(a['gain_high'])}"),
        ("above the best", True, lambda a: f"≤ {_percent(a['bound'])}"),
        ("0.02 costs", True, lambda a: _percent(a["paper_regret"])),
        ("over its own best", own, lambda a: _percent(a["gain_own_control"])),
    ]
    shown = [(name, text) for name, wanted, text in columns if wanted]
    table = Table(box=None, pad_edge=False)
    # Names hold what is compared: folded where there is no room, never cut off.
    table.add_column("model", overflow="fold", min_width=10)
    for name, _ in shown:
        table.add_column(name, overflow="fold")
    for a in answers:
        table.add_row(a["model"], *(text(a) for _, text in shown))
    return table


def _number(value: float | None) -> str:
    return "?" if value is None else f"{value:.3g}"


def _percent(value: float | None) -> str:
    return "?" if value is None else f"{100 * value:.1f} %"
