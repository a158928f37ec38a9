"""`lkm-tune status`: how far the studies of a storage folder are."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lkm_tune.cli.options import json_option, storage_option, study_names, user_errors

if TYPE_CHECKING:
    from rich.table import Table

    from lkm_tune.ledger.study_folder import StudyFolder
    from lkm_tune.ledger.use import Use
    from lkm_tune.search.planner import Plan

STATES = (
    "running", "interrupted", "complete", "stopped", "diverged", "infeasible", "failed",
)  # fmt: skip


@dataclass(frozen=True)
class Standing:
    """A study as its folder tells it.

    Attributes:
        plan: of its plan and ledger.
        driver: who runs it, None if nobody does.
        use: what it spent, and where.
        limit: the limit that it has reached before its plan was done, in words; "" if none.
        signs: of trouble.
    """

    plan: "Plan"
    driver: str | None
    use: "Use"
    limit: str
    signs: tuple[str, ...]


@click.command()
@click.argument("study", required=False)
@storage_option
@json_option
def status(study: str | None, storage: Path, as_json: bool) -> None:
    """Show cells, trials by state, the best error so far, what was spent and is left.

    During a run, from another terminal, or after it.

    \b
    Examples:
      lkm-tune status
      lkm-tune status quickstart --json
    """
    import json

    with user_errors():
        standings = [_open(storage, name) for name in study_names(storage, study)]
    if as_json:
        click.echo(json.dumps([_as_dict(standing) for standing in standings], indent=1))
        return
    for standing in standings:
        _show(standing)


def _open(storage: Path, name: str) -> Standing:
    from lkm_tune.ledger.lock import holder
    from lkm_tune.ledger.study_folder import StudyFolder
    from lkm_tune.ledger.trials import StudyTrials
    from lkm_tune.ledger.use import Use
    from lkm_tune.search.limits import Limits
    from lkm_tune.search.planner import Plan

    folder = StudyFolder(storage, name)
    study = folder.read_study()
    if study is None:
        raise FileNotFoundError(f"study {name} has not been run in {storage}")
    # Who drives it is asked first: a driver that ends meanwhile has at least written its ends.
    driver = holder(folder.lock)
    trials, use = StudyTrials.read(study, folder.ledger), Use.read(folder.use)
    plan = Plan(study, trials)
    limit = "" if plan.finished else Limits(study, trials, use.spent).reached
    return Standing(plan, driver, use, limit, _signs(folder))


def _signs(folder: "StudyFolder") -> tuple[str, ...]:
    """Signs of trouble in the curve runs that have ended; none before there are any."""
    from lkm_tune.ledger.run_table import ended, study_runs
    from lkm_tune.transfer.fit.run_table import RunTableError, check_runs
    from lkm_tune.transfer.fit.trouble import study_signs

    try:
        checked = check_runs(ended(study_runs(folder)))
    except RunTableError:
        return ()
    return study_signs(checked)


def _as_dict(standing: Standing) -> dict[str, Any]:
    from lkm_tune.search.progress import CellProgress, Left, Progress

    plan, spent = standing.plan, standing.use.spent
    progress = Progress.of(plan)
    driven = standing.driver is not None
    cells = [CellProgress.of(plan, cell, driven) for cell in plan.study.cells]
    begun = progress.ended + progress.running
    return {
        "study": plan.study.name,
        "finished": plan.finished,
        "limit": standing.limit,
        "driver": standing.driver,
        "trials": {"planned": progress.planned, "ended": progress.ended},
        "spent_hours": asdict(spent),
        "left": asdict(Left.of(plan.study, begun, spent)),
        "nodes": standing.use.nodes if driven else {},
        "signs": list(standing.signs),
        "cells": [
            {
                "model": cell.cell.model,
                "task": cell.cell.task,
                "n_train": cell.cell.n_train,
                "compared": dict(cell.cell.compared),
                "search": cell.search,
                "curve": cell.curve,
                "best": cell.best and {**cell.best.spec.settings, **cell.best.summary},
            }
            for cell in cells
        ],
    }


def _show(standing: Standing) -> None:
    from lkm_tune.cli.console import console, say
    from lkm_tune.search.progress import Left, Progress

    plan, spent = standing.plan, standing.use.spent
    study, progress = plan.study, Progress.of(plan)
    driven = standing.driver is not None
    say(f"{study.name}: {_state(standing)}")
    console.print(cell_table(plan, driven))
    say(
        f"{progress.ended} of {progress.planned} trials ended; spent {spent.wall:.3g} h of wall "
        f"time, {spent.cpu:.3g} CPU-hours, {spent.gpu:.3g} GPU-hours"
    )
    left = Left.of(study, progress.ended + progress.running, spent)
    units = {"trials": "trials", "wall": "h of wall time", "compute": f"{spent.compute[1]}-hours"}
    rest = [f"{n:.4g} {units[name]}" for name, n in asdict(left).items() if n is not None]
    if rest:
        say(f"left within its limits: {', '.join(rest)}")
    for node, use in standing.use.nodes.items() if driven else ():
        held = f"{use['cpu']:g} of {use.get('of_cpu', 0):g} CPU"
        if use.get("of_gpu"):
            held += f", {use['gpu']:g} of {use['of_gpu']:g} GPU"
        say(f"node {node}: {use['trials']:g} trials hold {held}")
    for sign in standing.signs:
        say(f"sign of trouble: {sign}")


def _state(standing: Standing) -> str:
    if standing.plan.finished:
        return "finished"
    if standing.driver is not None:
        return f"run by {standing.driver}"
    if standing.limit:
        return f"not finished, and at its limit: {standing.limit}"
    return "not finished, and nobody runs it"


def cell_table(plan: "Plan", driven: bool = True) -> "Table":
    """A row a cell: searches and curve points by state, the best search trial so far.

    Args:
        plan: of the study.
        driven: whether a driver runs it; else what has not ended is interrupted.
    """
    from rich.table import Table

    from lkm_tune.datasets import find_task
    from lkm_tune.search.progress import CellProgress

    table = Table("cell", "search", "curve", "best error", "at γ", box=None, pad_edge=False)
    for cell in plan.study.cells:
        progress = CellProgress.of(plan, cell, driven)
        best = progress.best
        unit = find_task(cell.task, plan.study.data_plan(cell.task)).unit
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
