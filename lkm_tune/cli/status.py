"""`lkm-tune status`: how far the studies of a storage folder are."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lkm_tune.cli.options import json_option, storage_option, study_names, user_errors

if TYPE_CHECKING:
    from rich.table import Table

    from lkm_tune.search.planner import Planner

STATES = ("running", "complete", "stopped", "diverged", "failed")


@click.command()
@click.argument("study", required=False)
@storage_option
@json_option
def status(study: str | None, storage: Path, as_json: bool) -> None:
    """Show cells, trials by state and the best error so far, during a run or after it.

    \b
    Examples:
      lkm-tune status
      lkm-tune status quickstart --json
    """
    import json

    with user_errors():
        planners = [_open(storage, name) for name in study_names(storage, study)]
    if as_json:
        click.echo(json.dumps([_as_dict(planner) for planner in planners], indent=1))
        return
    from lkm_tune.cli.console import console, say

    for planner in planners:
        state = "finished" if planner.finished else "not finished"
        say(f"{planner.study.name}: {state}")
        console.print(cell_table(planner))


def _open(storage: Path, name: str) -> "Planner":
    from lkm_tune.search.folder import StudyFolder
    from lkm_tune.search.ledger import Ledger
    from lkm_tune.search.planner import Planner

    folder = StudyFolder(storage, name)
    study = folder.read_study()
    if study is None:
        raise FileNotFoundError(f"study {name} has not been run in {storage}")
    return Planner(study, Ledger(study, folder.ledger, writable=False))


def _as_dict(planner: "Planner") -> dict[str, Any]:
    from lkm_tune.search.progress import CellProgress, Progress

    progress = Progress.of(planner)
    cells = [CellProgress.of(planner, cell) for cell in planner.study.cells]
    return {
        "study": planner.study.name,
        "finished": planner.finished,
        "trials": {"planned": progress.planned, "ended": progress.ended},
        "cells": [
            {
                "model": cell.cell.model,
                "task": cell.cell.task,
                "n_train": cell.cell.n_train,
                "search": cell.search,
                "curve": cell.curve,
                "best": cell.best and {**cell.best.spec.settings, **cell.best.summary},
            }
            for cell in cells
        ],
    }


def cell_table(planner: "Planner") -> "Table":
    """A row a cell: searches and curve points by state, the best search trial so far."""
    from rich.table import Table

    from lkm_tune.datasets import find_task
    from lkm_tune.search.progress import CellProgress

    table = Table("cell", "search", "curve", "best error", "at γ", box=None, pad_edge=False)
    for cell in planner.study.cells:
        progress = CellProgress.of(planner, cell)
        best = progress.best
        unit = find_task(cell.task, planner.study.data_plan(cell.task)).unit
        table.add_row(
            str(cell),
            _states(progress.search),
            _states(progress.curve),
            f"{best.summary['val_error']:.4g} {unit}" if best else "–",
            f"{best.spec.settings['gamma']:.3g}" if best else "–",
        )
    return table


def left_text(seconds: float | None) -> str:
    """The time left, in words."""
    if seconds is None:
        return "time left not known yet"
    minutes = seconds / 60
    if minutes < 1:
        return "less than a minute left"
    return f"about {minutes:.0f} min left" if minutes < 90 else f"about {minutes / 60:.1f} h left"


def _states(counts: dict[str, int]) -> str:
    return ", ".join(f"{counts[state]} {state}" for state in STATES if state in counts) or "–"
