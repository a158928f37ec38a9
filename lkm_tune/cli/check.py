"""`lkm-tune check`: every error of a study file, or what the study will run and cost."""

from typing import TYPE_CHECKING

import click

from lkm_tune.cli.options import set_option, user_errors

if TYPE_CHECKING:
    from lkm_tune.study import PlanSummary, Study


@click.command()
@click.argument("study")
@set_option
@click.option("--no-cost", is_flag=True, help="Do not time a few training steps.")
def check(study: str, overrides: tuple[str, ...], no_cost: bool) -> None:
    """Check STUDY, a file or the name of a shipped study, without running it.

    Prints every error at once with file, line and what would be valid; or the cells, the counts
    of trials and an estimate of the cost, from a few training steps on this machine.

    \b
    Examples:
      lkm-tune check quickstart
      lkm-tune check my_study.yaml --set search.trials=20
    """
    from lkm_tune.cli.catalog import make_catalog
    from lkm_tune.cli.console import say
    from lkm_tune.search.engine import check_data
    from lkm_tune.study import advice, find_study, load_study, plan_summary

    with user_errors():
        path = find_study(study)
        loaded = load_study(path, make_catalog(), overrides)
        say(f"{path}: no errors")
        for sentence in advice(loaded):
            say(f"note: {sentence}")
    _show_plan(loaded, plan_summary(loaded))
    try:
        check_data(loaded)
        if not no_cost:
            _show_cost(loaded)
    except ValueError as error:
        # The file may be checked on a laptop for a cluster that has the data.
        say(f"note: on this machine it could not run: {error}")


def _show_plan(study: "Study", plan: "PlanSummary") -> None:
    from lkm_tune.cli.console import say

    say(f"study {study.name}: {plan.cells} cells")
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


def _show_cost(study: "Study") -> None:
    from lkm_tune.cli.console import say
    from lkm_tune.search.cost import estimate

    total = 0.0
    for cell, cost in estimate(study):
        say(f"  {cell}: {cost.seconds_per_epoch:.3g} s an epoch")
        total += cost.seconds
    slots = f"{total / 3600:.2g} hours of one thread of this machine's CPU"
    say(f"cost: about {slots}, divided by the trials that run at once")
