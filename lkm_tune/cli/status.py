"""`lkm-tune status`: the progress of the studies in a storage folder."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lkm_tune import app
from lkm_tune.cli.options import Verb, json_option, storage_option

if TYPE_CHECKING:
    from rich.table import Table

    from lkm_tune.app import CellStatus, StudyStatus

STATES = (
    "running", "interrupted", "complete", "stopped", "diverged", "infeasible", "failed",
)  # fmt: skip


@click.command(cls=Verb)
@click.argument("study", required=False)
@storage_option
@json_option
def status(study: str | None, storage: Path, as_json: bool) -> None:
    """Show cells, trials by state, the best errors so far, and hours spent and left.

    The command works during and after a run.

    \b
    Examples:
      lkm-tune status
      lkm-tune status quickstart --json
    """
    import json

    found = [app.study_status(study, storage)] if study else app.all_statuses(storage)
    if as_json:
        click.echo(json.dumps([one.to_dict() for one in found], indent=1))
        return
    for one in found:
        _show(one)


def _show(study: "StudyStatus") -> None:
    from lkm_tune.cli.console import console, say

    spent = study.spent
    say(f"{study.name}: {study.state}")
    console.print(cell_table(study.cells))
    say(
        f"{study.ended} of {study.planned} trials ended; spent {spent.wall:.3g} h of wall "
        f"time, {spent.cpu:.3g} CPU-hours, {spent.gpu:.3g} GPU-hours"
    )
    if study.look:
        say(study.look_in_words)
    if study.planned > study.ended:
        say(_cost_text(study))
    units = {"trials": "trials", "wall": "h of wall time", "compute": f"{spent.compute[1]}-hours"}
    left = asdict(study.left)
    rest = [f"{n:.4g} {units[name]}" for name, n in left.items() if n is not None]
    if rest:
        say(f"left within its limits: {', '.join(rest)}")
    for line in study.nodes_in_words:
        say(line)
    for node in study.left_out:
        say(f"warning: trials break on a node, which is left out for a time: {node}")
    for sign in study.signs:
        say(f"sign of trouble: {sign}")


def _cost_text(study: "StudyStatus") -> str:
    """The cost of the planned trials, until the next look at the results if there is one."""
    hours, look = study.training_left, study.next_look
    cost = (
        "" if hours is None else f", about {hours:.2g} h of training divided by the trials at once"
    )
    until = f"until the look at {look} seeds" if look else "left"
    return f"trials {until}: {study.planned - study.ended}{cost}"


def cell_table(cells: "Iterable[CellStatus]") -> "Table":
    """One row per cell: searches and curve points by state, and the best search trial so far."""
    from rich.table import Table

    table = Table("cell", "search", "curve", "best error", "at γ", box=None, pad_edge=False)
    for cell in cells:
        best = cell.best
        table.add_row(
            cell.name,
            _states(cell.search),
            _states(cell.curve),
            f"{best['val_error']:.4g} {cell.unit}" if best else "–",
            f"{best['gamma']:.3g}" if best else "–",
        )
    return table


def _states(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{counts[state]} {state}" for state in STATES if state in counts) or "–"
