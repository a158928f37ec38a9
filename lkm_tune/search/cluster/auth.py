"""Ray's authentication mode, which has to be decided before Ray is imported."""

import os
from pathlib import Path

MODE = "RAY_AUTH_MODE"


def choose_auth_mode(address: str | None) -> None:
    """Sets `RAY_AUTH_MODE`, where it is not set, for joining the Ray at `address`.

    Ray asks for a token by itself on what it starts and wherever the user has one; but Ray 2.60
    looks for the user's token only after its own import has settled the mode, and then cannot
    join. Without an address nothing is set: Ray makes a token and asks for it.
    """
    if address and MODE not in os.environ and _has_token():
        os.environ[MODE] = "token"


def _has_token() -> bool:
    named = os.environ.get("RAY_AUTH_TOKEN") or os.environ.get("RAY_AUTH_TOKEN_PATH")
    return bool(named) or (Path.home() / ".ray" / "auth_token").is_file()
