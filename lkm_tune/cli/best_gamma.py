"""`lkm-tune best-gamma`: the answer of finished studies, in words or as JSON."""

from pathlib import Path

import click

from lkm_tune import app
from lkm_tune.cli.options import Verb, json_option, storage_option


@click.command("best-gamma", cls=Verb)
@storage_option
@click.option("--study", help="Only this study, by its own report; else all studies together.")
@click.option("--model", help="Only this model.")
@click.option("--task", help="Only this task.")
@json_option
def best_gamma(
    storage: Path, study: str | None, model: str | None, task: str | None, as_json: bool
) -> None:
    """Say which γ is best, with its interval and gain, from finished studies.

    For a model on a task that were not searched together, the γ to begin with is predicted from
    the cells that were.

    \b
    Examples:
      lkm-tune best-gamma
      lkm-tune best-gamma --model pamnet --task qm9/alpha
      lkm-tune best-gamma --study quickstart --json
    """
    import json

    found = app.best_gamma(storage, study, model, task)
    if as_json:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    from lkm_tune.cli.answer_table import answer_table
    from lkm_tune.cli.console import console, say

    console.print(answer_table(found))
    for answer in found:
        say(answer["sentence"])
