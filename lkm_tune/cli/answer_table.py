"""Answers as a table on the terminal."""

from typing import Any


def answer_table(answers: list[dict[str, Any]]) -> Any:
    """A row an answer; what does not differ between several is left to the sentences."""
    from rich.table import Table

    told = {name: len({a[name] for a in answers}) > 1 for name in ("depth", "n_train")}
    own = any(a["gain_own_control"] is not None for a in answers)
    columns = ["task", *(["depth"] if told["depth"] else [])]
    columns += ["samples"] if told["n_train"] else []
    columns += ["best γ", "interval", "gain over γ = 0", "interval", "0.02 costs"]
    columns += ["over its own best"] if own else []
    table = Table(box=None, pad_edge=False)
    # Names hold what is compared: folded where there is no room, never cut off.
    table.add_column("model", overflow="fold", min_width=10)
    for name in columns:
        table.add_column(name, overflow="fold")
    for a in answers:
        table.add_row(
            a["model"],
            a["task"],
            *([str(a["depth"])] if told["depth"] else []),
            *([f"{a['n_train']:,}"] if told["n_train"] else []),
            _number(a["gamma"]),
            f"{_number(a['low'])} … {_number(a['high'])}",
            _percent(a["gain"]),
            f"{_percent(a['gain_low'])} … {_percent(a['gain_high'])}",
            _percent(a["paper_regret"]),
            *([_percent(a["gain_own_control"])] if own else []),
        )
    return table


def _number(value: float | None) -> str:
    return "?" if value is None else f"{value:.3g}"


def _percent(value: float | None) -> str:
    return "?" if value is None else f"{100 * value:.1f} %"
