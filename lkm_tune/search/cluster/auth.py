"""Who may use a Ray: its authentication, and what it shows to others of a machine."""

import os
import secrets
import tempfile
from pathlib import Path

MODE, TOKEN, TOKEN_PATH = "RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"

CLOSED = {
    # Ray shows its figures to whoever asks, without the token.
    "RAY_enable_metrics_collection": "0",
    "DASHBOARD_METRIC_PORT": "-1",
    "AUTOSCALER_METRIC_PORT": "-1",
    "RAY_USAGE_STATS_ENABLED": "0",
}
"""The environment of a Ray that opens no server without a token and reports to nobody."""

LONGEST_FOLDER = 34
"""Characters of a temporary folder in which the paths of Ray's sockets fit into 107."""


def choose_auth_mode(address: str | None) -> None:
    """Sets `RAY_AUTH_MODE`, where it is not set, for joining the Ray at `address`.

    Ray asks for a token by itself on what it starts and wherever the user has one; but Ray 2.60
    looks for the user's token only after its own import has settled the mode, and then cannot
    join. Without an address nothing is set: Ray asks for a token by itself.
    """
    if address and MODE not in os.environ and (_named() or _token_file().is_file()):
        os.environ[MODE] = "token"


def close_doors(address: str | None) -> None:
    """Sees to it that no other user of a machine uses the Ray that is joined or started next.

    A Ray of one's own gets a token that no file holds: Ray would write one that everybody on the
    machine can read.

    Args:
        address: of a running Ray, None for one that is started on this machine.

    Raises:
        ValueError: if others can read the token of the Ray at `address`; says how to mend it.
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
            f"the token of Ray must be readable by its user alone (mode 0600), but {path} has the "
            f"mode {mode:04o}, and whoever reads it runs programs as you. On every node: chmod 600 "
            f"{path}. Where others use the machine, make another token too: umask 077; ray "
            "get-auth-token --generate, then `ray up` again"
        )


def short_folder() -> str | None:
    """A folder for Ray's sockets where the temporary one has too long a name; else None.

    Raises:
        ValueError: if it cannot be made, or is somebody else's.
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
