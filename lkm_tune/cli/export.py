"""`lkm-tune export`: the best settings of a finished cell as a file."""

import shlex
from pathlib import Path

import click

from lkm_tune import app
from lkm_tune.cli.options import OUT, Verb, storage_option


@click.command(cls=Verb)
@click.option("--study", required=True)
@click.option("--model", required=True)
@click.option("--task", required=True)
@storage_option
@click.option("-o", "--out", type=OUT, help="Else printed.")
def export(study: str, model: str, task: str, storage: Path, out: Path | None) -> None:
    """Write the best settings of a finished cell as a file for `lkm-tune train --config`.

    \b
    Example:
      lkm-tune export --study quickstart --model pamnet --task qm9/alpha -o best.yaml
    """
    text = app.export_settings(study, model, task, storage)
    if out is None:
        click.echo(text, nl=False)
    else:
        out.write_text(text, encoding="utf-8")
        click.echo(f"{out}: {shlex.join(['lkm-tune', 'train', '--config', str(out)])}")
