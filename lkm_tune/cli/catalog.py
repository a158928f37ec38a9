"""`lkm-tune models` and `lkm-tune tasks`: the models and tasks that a study may name."""

import click

from lkm_tune import app
from lkm_tune.cli.options import Verb, json_option


@click.command(cls=Verb)
@json_option
def models(as_json: bool) -> None:
    """List the models of the package with their settings and defaults."""
    import json

    known = app.list_models()
    if as_json:
        click.echo(json.dumps({name: dict(settings) for name, settings in known.items()}))
        return
    for name, settings in known.items():
        click.echo(name)
        click.echo("  " + ", ".join(f"{key}={value}" for key, value in settings.items()))


@click.command(cls=Verb)
@json_option
def tasks(as_json: bool) -> None:
    """List the tasks with the unit of their errors."""
    import json
    from dataclasses import asdict

    known = app.list_tasks().values()
    if as_json:
        click.echo(json.dumps([asdict(task) for task in known]))
        return
    for task in known:
        click.echo(f"{task.name:<20} {task.meaning}, error in {task.unit}")
