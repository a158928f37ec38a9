"""`lkm-tune submit`: starts a study on a server."""

from urllib.parse import quote

import click

from lkm_tune import app
from lkm_tune.cli.options import Verb, url_option


@click.command(cls=Verb)
@click.argument("study")
@url_option
@click.option("--check", is_flag=True, help="Only show errors, or the plan and its cost.")
def submit(study: str, url: str | None, check: bool) -> None:
    """Start STUDY, a file or the name of a shipped study, on a server of `lkm-tune serve`.

    The token of the server comes from LKM_TUNE_TOKEN, and for a server on this machine from
    ~/.lkm-tune/serve_token.

    \b
    Examples:
      lkm-tune submit mine.yaml --url http://127.0.0.1:8420
      lkm-tune submit mine.yaml --url https://studies.example.org --check
    """
    from lkm_tune.cli.console import say
    from lkm_tune.cli.remote import request

    if url is None:
        raise click.UsageError("--url (or LKM_TUNE_URL) must name the server")
    source, text = app.study_text(study)
    if check:
        path = "/api/v1/check?cost=true"
        plan = request("POST", url, path, source, content=text.encode())
        cells = "cell" if plan["cells"] == 1 else "cells"
        say(f"{plan['name']}: {plan['cells']} {cells}, {plan['trials']} trials")
        for sentence in plan["advice"]:
            say(f"note: {sentence}")
        if plan["hours"] is not None:
            say(f"cost: about {plan['hours']:.2g} hours of one thread of the server's CPU")
        elif plan["no_estimate"]:
            say(f"note: the study cannot run on this machine: {plan['no_estimate']}")
        return
    started = request("POST", url, "/api/v1/studies", source, content=text.encode())
    page = f"{url.rstrip('/')}/studies/{quote(started['name'])}"
    say(f"{started['name']} runs in {started['driver']}: {page}")
