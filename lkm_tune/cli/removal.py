"""`lkm-tune remove`: a study and everything that it wrote, after a question."""

from pathlib import Path

import click

from lkm_tune import app
from lkm_tune.cli.options import Verb, storage_option


@click.command(cls=Verb)
@click.argument("study")
@storage_option
@click.option("--yes", is_flag=True, help="Ask nothing.")
def remove(study: str, storage: Path, yes: bool) -> None:
    """Remove STUDY: its folder, checkpoints, MLflow experiments, and what --fresh put aside.

    \b
    Examples:
      lkm-tune remove quickstart
      lkm-tune remove quickstart --yes
    """
    from lkm_tune.cli.console import say

    remains = app.study_remains(study, storage)
    say(f"to be removed of study {remains.name}:")
    for place in (str(remains.folder), *remains.elsewhere):
        say(f"  {place}")
    for experiment in remains.experiments:
        say(f"  MLflow experiment {experiment}")
    if not yes:
        click.confirm("Remove all of it for good?", abort=True)
    app.remove_study(study, storage)
    say(f"study {remains.name} is removed")
