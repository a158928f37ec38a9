"""`lkm-tune report`: the analysis of finished runs, as files and in words."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lkm_tune import app
from lkm_tune.cli.options import FILE, Verb, experiment_option, margin_option, storage_option

if TYPE_CHECKING:
    from lkm_tune.app import TransferReport


@click.command(cls=Verb)
@click.argument("study", required=False)
@storage_option
@margin_option
@click.option(
    "--against",
    type=click.Choice(["paper"]),
    help="Also compare the gains of STUDY with the published gains.",
)
@click.option(
    "--from-mlflow",
    "uri",
    metavar="URI",
    help="Read the runs from this MLflow server instead of the storage folder.",
)
@click.option(
    "--from",
    "table",
    type=FILE,
    help="Read the runs from this table, as a report's trials.csv; .gz is unpacked.",
)
@experiment_option
def report(
    study: str | None,
    storage: Path,
    margin: float | None,
    against: str | None,
    uri: str | None,
    table: Path | None,
    experiment: str | None,
) -> None:
    """Make the report of STUDY, or of all studies together, from the finished runs in the ledgers.

    \b
    Examples:
      lkm-tune report quickstart
      lkm-tune report quickstart --margin 0.02
      lkm-tune report paper_gamma --against paper
      lkm-tune report                          every study of the storage folder
      lkm-tune report quickstart --from-mlflow http://127.0.0.1:5000
      lkm-tune report --from trials.csv.gz
    """
    from lkm_tune.cli.console import say

    if against and (uri or table):
        raise click.ClickException(
            "--against needs the study's file, which --from and --from-mlflow do not read"
        )
    if against and not study:
        raise click.ClickException(f"--against {against} needs the name of one study")
    if uri and table:
        raise click.ClickException("runs come --from a table or --from-mlflow, not from both")
    if experiment and not uri:
        raise click.ClickException("--experiment chooses among the runs that --from-mlflow reads")
    made, folder = app.make_report(
        storage, study, margin, from_mlflow=uri, experiment=experiment, from_table=table
    )
    page = app.compare_with_paper(made, study, storage) if against and study else None
    show_report(made)
    say(f"report: {folder / 'report.html'}")
    if page:
        click.echo(page.read_text(encoding="utf-8"))
        say(f"against the paper: {page}")


def show_report(made: "TransferReport") -> None:
    """Prints the answer: decisions, then the pairs of cells, then remarks."""
    from lkm_tune.cli.console import line_width, say

    for line in app.summary_lines(made.summary, made.margin, line_width()):
        say(line)
