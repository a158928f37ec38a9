"""`lkm-tune logs`: what a trial printed."""

from pathlib import Path

import click

from lkm_tune import app
from lkm_tune.cli.options import Verb, storage_option


@click.command(cls=Verb)
@click.argument("trial")
@storage_option
@click.option("--study", help="Only trials of this study.")
def logs(trial: str, storage: Path, study: str | None) -> None:
    """Print what TRIAL printed, with its warnings and the tracebacks of its broken attempts.

    TRIAL is the name of a trial, as tables and MLflow show it, or a part that no other has.

    \b
    Examples:
      lkm-tune logs pamnet-qm9_alpha-300/search/0003-1f2e3d4c
      lkm-tune logs search/0003 --study quickstart
    """
    text = app.trial_log(trial, storage, study)
    click.echo(text if text else f"{trial} has printed nothing")
