"""`lkm-tune serve`: pages and an HTTP API over a storage folder."""

import os
import re
from pathlib import Path

import click

from lkm_tune.cli.options import Verb, storage_option

HOST_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
WEB_ADDRESS = re.compile(r"https?://[^\s/]+(/\S*)?")


def _host_names(
    context: click.Context, option: click.Parameter, names: tuple[str, ...]
) -> tuple[str, ...]:
    from lkm_tune.serve.settings import bracketed, is_address

    for name in names:
        if not HOST_NAME.fullmatch(name) and not is_address(name.strip("[]")):
            raise click.BadParameter(
                f"{name!r} must be a name or an address without a scheme, a port and `*`, such as "
                "studies.example.org"
            )
    return tuple(bracketed(name) for name in names)


def _web_address(context: click.Context, option: click.Parameter, address: str) -> str:
    if address and not WEB_ADDRESS.fullmatch(address):
        raise click.BadParameter(f"{address!r} must begin with http:// or https:// and a host")
    return address.rstrip("/")


FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command(cls=Verb)
@storage_option
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(1, 65535), default=8420, show_default=True)
@click.option(
    "--allow-host",
    "hosts",
    metavar="NAME",
    multiple=True,
    callback=_host_names,
    help="A further name of this server, as a proxy passes it on. May be given several times.",
)
@click.option(
    "--always-token", is_flag=True, help="Reading from this machine needs the token, too."
)
@click.option(
    "--token-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File of the token; made if missing.  [default: ~/.lkm-tune/serve_token]",
)
@click.option(
    "--allow-own-models", is_flag=True, help="Submitted studies may run code of this machine."
)
@click.option(
    "--data",
    type=FOLDER,
    multiple=True,
    help="Folder whose files submitted studies may name. May be given several times.",
)
@click.option(
    "--address",
    metavar="ADDR",
    envvar="LKM_TUNE_ADDRESS",
    show_envvar=True,
    help="Address of a running Ray for submitted studies, such as auto.",
)
@click.option(
    "--jobs",
    metavar="URL",
    default="",
    callback=_web_address,
    help="Ray's dashboard: submitted studies run as its jobs, such as http://127.0.0.1:8265.",
)
@click.option(
    "--mlflow",
    metavar="URL",
    default="",
    callback=_web_address,
    help="MLflow in the links of pages.  [default: MLFLOW_TRACKING_URI if it is a server]",
)
def serve(
    storage: Path,
    host: str,
    port: int,
    hosts: tuple[str, ...],
    always_token: bool,
    token_file: Path | None,
    allow_own_models: bool,
    data: tuple[Path, ...],
    address: str | None,
    jobs: str,
    mlflow: str,
) -> None:
    """Show running studies, answer questions and start studies over HTTP.

    Reading from this machine needs no token. Starting a study, and every request from another
    machine, needs the token.

    \b
    Examples:
      lkm-tune serve
      lkm-tune serve --storage /data/lkm --jobs http://127.0.0.1:8265 --address auto
    """
    from lkm_tune.serve.secret import TOKEN_FILE, read_token
    from lkm_tune.serve.server import listen, make_app
    from lkm_tune.serve.server import serve as run
    from lkm_tune.serve.settings import Settings, bracketed

    token_file = (token_file or TOKEN_FILE).expanduser()
    named = os.environ.get("MLFLOW_TRACKING_URI", "")
    settings = Settings(
        storage=storage.expanduser().resolve(),
        token=read_token(token_file),
        token_file=token_file,
        host=host,
        hosts=hosts,
        always_token=always_token,
        own_models=allow_own_models,
        data=tuple(folder.resolve() for folder in data),
        address=address or ("auto" if jobs else None),
        jobs=jobs,
        mlflow=mlflow or (named.rstrip("/") if WEB_ADDRESS.fullmatch(named) else ""),
    )
    app, sockets = make_app(settings), listen(host, port)
    name = "localhost" if settings.everywhere else bracketed(host)
    click.echo(f"http://{name}:{port}/ shows {settings.storage}; token: {token_file}")
    if settings.everywhere:
        known = ", ".join(hosts) or "none yet"
        click.echo(
            f"It listens on every address; other machines may name it as: {known}. "
            "--allow-host NAME adds a name or an address."
        )
    run(app, sockets)
