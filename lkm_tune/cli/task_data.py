"""`lkm-tune data prepare` and `data info`: prepare and describe the data of a task."""

from typing import TYPE_CHECKING

import click

from lkm_tune import app
from lkm_tune.cli.options import Verb, json_option

if TYPE_CHECKING:
    from lkm_tune.app import Description

source_option = click.option(
    "--source", help="A path, sample (of QM9), or auto: LKM_TUNE_DATA, the cache, a download."
)
plan_option = click.option(
    "--set",
    "settings",
    metavar="KEY=VALUE",
    multiple=True,
    help="A key of `data` in a study file, such as n_train=500, split=scaffold or target=logP.",
)
cutoff_option = click.option(
    "--cutoff", default=5.0, show_default=True, help="Radius of the neighbour graph, Å."
)


@click.group()
def data() -> None:
    """Prepare or describe the data of a task."""


@data.command(cls=Verb)
@click.argument("task")
@source_option
@cutoff_option
@plan_option
def prepare(task: str, source: str | None, cutoff: float, settings: tuple[str, ...]) -> None:
    """Find or download the data of TASK, check them, and prepare them for training.

    The prepared data lie in LKM_TUNE_CACHE, else in ~/.cache/lkm-tune. They contain one neighbour
    graph; the default cutoff of every model of the package is 5 Å.

    \b
    Examples:
      lkm-tune data prepare qm9/homo
      lkm-tune data prepare rmd17/ethanol --source /data/rmd17
      lkm-tune data prepare file:mine.csv --set target=logP --set n_train=800 --set n_val=100
    """
    import time

    from lkm_tune.cli.console import say

    start = time.monotonic()
    opened = app.prepare_data(task, source, cutoff, settings)
    took = time.monotonic() - start
    say(f"{opened.task.name}: ready in {took:.1f} s, read from {opened.source}")


@data.command(cls=Verb)
@click.argument("task")
@source_option
@cutoff_option
@plan_option
@json_option
def info(
    task: str, source: str | None, cutoff: float, settings: tuple[str, ...], as_json: bool
) -> None:
    """Show sizes, units, ranges and splits of the data of TASK.

    \b
    Examples:
      lkm-tune data info qm9/homo --source sample
      lkm-tune data info rmd17/ethanol --set split=published-01
      lkm-tune data info cora --json
    """
    import json
    from dataclasses import asdict

    described = app.describe_data(task, source, cutoff, settings)
    if as_json:
        click.echo(json.dumps(asdict(described), ensure_ascii=False, indent=1))
    else:
        _show(described)


def _show(described: "Description") -> None:
    from rich.table import Table

    from lkm_tune.cli.console import console, say

    say(f"{described.task}: {described.samples:,} samples, read from {described.source}")
    table = Table("", "unit", "least", "mean", "greatest", "std", box=None, pad_edge=False)
    for spread in described.spreads:
        numbers = (spread.low, spread.mean, spread.high, spread.std)
        table.add_row(spread.name, spread.unit, *(f"{number:.6g}" for number in numbers))
    console.print(table)
    if described.elements:
        say(f"elements: {', '.join(app.element_symbols(described.elements))}")
    parts = ", ".join(f"{size:,} {part}" for part, size in described.parts.items())
    say(f"split of seed 0: {parts}; splits: {', '.join(described.splits)}")
    for remark in described.remarks:
        say(f"note: {remark}")
    if described.caution:
        say(f"note: {described.caution}")
    for name, error in described.mean_errors.items():
        say(f"test error of predicting the training mean, {name}: {error:.4g}")
