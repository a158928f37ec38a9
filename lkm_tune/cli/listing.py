"""`lkm-tune list`: the studies of a storage folder, each in a line."""

import time
from pathlib import Path

import click

from lkm_tune import app
from lkm_tune.cli.options import Verb, json_option, storage_option


@click.command("list", cls=Verb)
@storage_option
@json_option
def list_studies(storage: Path, as_json: bool) -> None:
    """List the studies of a storage folder: state, trials, decision, last change.

    \b
    Examples:
      lkm-tune list
      lkm-tune list --storage /data/lkm --json
    """
    import json

    from rich.table import Table

    from lkm_tune.cli.console import console

    found = app.list_studies(storage)
    if as_json:
        click.echo(json.dumps([one.to_dict() for one in found], indent=1))
        return
    table = Table("study", "state", "trials", "last change", "decision", box=None, pad_edge=False)
    for one in found:
        table.add_row(
            one.status.name,
            one.status.state,
            f"{one.status.ended} of {one.status.planned}",
            time.strftime("%Y-%m-%d %H:%M", time.localtime(one.changed)),
            one.decision or "no report yet",
        )
    console.print(table)
