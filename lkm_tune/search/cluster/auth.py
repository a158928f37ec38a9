"""Access to a Ray cluster: its authentication and its servers."""

import os
import secrets
import tempfile
from pathlib import Path

MODE, TOKEN, TOKEN_PATH = "RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"

CLOSED = {
    # Ray's metrics servers ask for no token.
    "RAY_enable_metrics_collection": "0",
    "DASHBOARD_METRIC_PORT": "-1",
    "AUTOSCALER_METRIC_PORT": "-1",
    "RAY_USAGE_STATS_ENABLED": "0",
}
"""The environment of a Ray without servers that ask for no token, and without usage statistics."""

LONGEST_FOLDER = 34
"""Longest temporary folder for which the paths of Ray's sockets fit into 107 characters."""


def choose_auth_mode(address: str | None) -> None:
    """Sets `RAY_AUTH_MODE`, if it is unset, for joining the Ray at `address`.

    Ray 2.60 reads the mode at its import and looks for the user's token later, so without the mode
    it cannot join a Ray with a token. Without an address the mode stays unset: a new Ray asks for a
    token by default.
    """
    if address and MODE not in os.environ and (_named() or _token_file().is_file()):
        os.environ[MODE] = "token"


def close_doors(address: str | None) -> None:
    """Keeps other users of a machine out of the Ray that is joined or started next.

    A new Ray gets a token that stands in no file: Ray would write a token file that every user of
    the machine can read.

    Args:
        address: the address of a running Ray; None starts Ray on this machine.

    Raises:
        ValueError: if others can read the token of the Ray at `address`; the error says what to do.
    """
    for name, value in CLOSED.items():
        os.environ.setdefault(name, value)
    if os.environ.get(MODE) == "disabled":
        return
    if address is None:
        if not _named():
            os.environ[TOKEN] = secrets.token_hex(32)
        return
    path = _token_file()
    if os.environ.get(TOKEN) or not path.is_file():
        return
    mode = path.stat().st_mode & 0o777
    if mode & 0o077:
        raise ValueError(
            f"the token of Ray must be readable only by its user (mode 0600), but {path} has the "
            f"mode {mode:04o}, and its readers can run programs as you. On every node: chmod 600 "
            f"{path}. If others use the machine, also make a new token: umask 077; ray "
            "get-auth-token --generate, then `ray up` again"
        )


def short_folder() -> str | None:
    """A folder for Ray's sockets if the path of the temporary folder is too long; else None.

    Raises:
        ValueError: if the folder cannot be created, or belongs to another user.
    """
    usual = os.environ.get("RAY_TMPDIR") or tempfile.gettempdir()
    if len(usual) <= LONGEST_FOLDER:
        return None
    folder = Path(f"/tmp/lkm-ray-{os.getuid()}")
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        mine = folder.stat().st_uid == os.getuid() and not folder.is_symlink()
    except OSError:
        mine = False
    if not mine:
        raise ValueError(
            f"the temporary folder must have a path of at most {LONGEST_FOLDER} characters, since "
            f"Ray's sockets lie in it, but {usual} has {len(usual)}, and {folder} cannot be used "
            "instead: set RAY_TMPDIR to a folder with a short path"
        )
    return str(folder)


def _named() -> bool:
    return bool(os.environ.get(TOKEN) or os.environ.get(TOKEN_PATH))


def _token_file() -> Path:
    named = os.environ.get(TOKEN_PATH)
    return Path(named) if named else Path.home() / ".ray" / "auth_token"
