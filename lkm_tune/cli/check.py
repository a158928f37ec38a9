"""`lkm-tune check`: every error of a study file, or the trials and the cost of the study."""

import math
from typing import TYPE_CHECKING

import click

from lkm_tune import app
from lkm_tune.cli.options import Verb, set_option

if TYPE_CHECKING:
    from lkm_tune.app import StudyCheck


@click.command(cls=Verb)
@click.argument("study")
@set_option
@click.option("--no-cost", is_flag=True, help="Open no data and time no training steps.")
def check(study: str, overrides: tuple[str, ...], no_cost: bool) -> None:
    """Check STUDY, a file or the name of a shipped study, without running it.

    Prints every error with file, line and the valid values. Without errors, prints the cells, the
    numbers of trials and an estimate of the cost, from a few training steps on this machine.

    \b
    Examples:
      lkm-tune check quickstart
      lkm-tune check my_study.yaml --set search.trials=20
    """
    from lkm_tune.cli.console import say

    checked = app.check_study(study, overrides)
    say(f"{checked.source}: no errors")
    for sentence in checked.advice:
        say(f"note: {sentence}")
    _show_plan(checked)
    if no_cost:
        return
    try:
        _show_cost(checked)
    except app.LkmTuneError as error:
        # A user may check the file on a laptop for a cluster that has the data.
        say(f"note: the study cannot run on this machine: {error}")


def _show_plan(checked: "StudyCheck") -> None:
    from lkm_tune.cli.console import say

    study, plan = checked.study, checked.plan
    say(f"study {study.name}: {plan.cells} cell{'s' if plan.cells != 1 else ''}")
    for cell in study.cells:
        say(f"  {cell}, {cell.n_train} training samples")
    say(
        f"each: {plan.search_trials} search trials, {plan.control_trials} control trials, "
        f"{plan.curve_points} curve points, {plan.control_curve_points} control points"
    )
    say(
        f"in all: {plan.trials} trials, at most {plan.max_epochs:,} epochs, "
        f"about {plan.expected_epochs:,.0f} with successive halving"
    )
    if checked.most.trials > plan.trials:
        say(
            f"undecided pairs of cells get up to {study.curve.max_seeds} seeds: at most "
            f"{checked.most.trials} trials, about {checked.most.expected_epochs:,.0f} epochs"
        )


def _show_cost(checked: "StudyCheck") -> None:
    from lkm_tune.cli.console import say

    costs = app.study_cost(checked.study)
    for cost in costs:
        array = (
            f"; {_short(cost.seconds_in_array)} s in arrays of {cost.array} γ"
            if cost.array > 1
            else ""
        )
        say(f"  {cost.cell}: {_short(cost.seconds_per_epoch)} s an epoch{array}")
    hours = sum(cost.seconds for cost in costs) / 3600
    further = checked.most.expected_epochs / checked.plan.expected_epochs
    slots = f"{_span(hours, hours * further)} hours of one thread of this machine's CPU"
    say(f"cost: about {slots}, divided by the number of concurrent trials")
    if on_gpus := app.study_gpu_cost(checked.study):
        say("on one GPU, one trial at a time (estimate, not measured: this machine has no GPU):")
        for on_gpu in on_gpus:
            span = _span(on_gpu.least / 3600, on_gpu.most / 3600 * further)
            say(f"  {on_gpu.card.name}: {span} hours")


def _span(least: float, most: float) -> str:
    return _short(least) if most == least else f"{_short(least)} to {_short(most)}"


def _short(number: float) -> str:
    """A number with two digits, not as a power of ten: 0.12, 1.2, 210,000."""
    digits = 1 - math.floor(math.log10(number)) if number > 0 else 0
    return f"{round(number, digits):,.{max(0, digits)}f}"
