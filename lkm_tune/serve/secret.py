"""The token of a server in a file of mode 600, and what is derived from it."""

import hashlib
import hmac
import logging
import os
import re
import secrets
import stat
import time
from pathlib import Path

from lkm_tune.app import LkmTuneError

TOKEN_FILE = Path("~/.lkm-tune/serve_token")
"""The file of the token, unless `--token-file` names another."""

SHORTEST = 22
"""Fewest letters of a token: 22 letters of base64 hold 128 bits."""

SESSION_SECONDS = 12 * 3600


def read_token(path: Path) -> str:
    """The token in a file, which is made with a new token if it is missing.

    Raises:
        LkmTuneError: if others can read the file, it belongs to another user, or its token is too
            short or holds other characters than letters, digits, `-` and `_`.
    """
    path = path.expanduser()
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _make(path)
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # To open a pipe would wait for its other end.
            raise LkmTuneError(f"{path} must be a file: name another with --token-file")
        token = path.read_text(encoding="ascii", errors="replace").strip()
    except OSError as error:
        raise LkmTuneError(f"the file of the token cannot be used: {error}") from error
    mode = stat.S_IMODE(status.st_mode)
    if mode & 0o077 or status.st_uid != os.getuid():
        raise LkmTuneError(
            f"only its user may read the token (mode 0600), but {path} has the mode {mode:04o} and "
            f"the owner {status.st_uid}: delete it, and a new token is made"
        )
    if not re.fullmatch(rf"[A-Za-z0-9_-]{{{SHORTEST},}}", token):
        raise LkmTuneError(
            f"{path} must hold one token of at least {SHORTEST} letters, digits, `-` and `_` (128 "
            "bits): delete it, and a new token is made"
        )
    return token


def _make(path: Path) -> None:
    """Makes the file with a token of 256 bits, unless it exists; readers see it whole or not."""
    if path.exists():
        return
    part = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_urlsafe(32) + "\n")
    try:
        os.link(part, path)
    except FileExistsError:
        pass  # Another process was faster: its token counts.
    finally:
        part.unlink()


def _stamp(path: Path) -> tuple[int, int, int, int] | None:
    """A value that changes with a file or its mode; None without the file."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_mode


def _end(cookie: str) -> int:
    """The time at which a session ends, in seconds since 1970; 0 for what is no session."""
    end = cookie.partition(".")[0]
    return int(end) if end.isascii() and end.isdigit() else 0


class Secret:
    """Checks tokens, sessions and the marks of forms, all in constant time.

    A session is a cookie with an end, a random number and their HMAC under the token, so a new
    token ends all sessions. The server remembers only sessions that ended before their time.
    """

    def __init__(self, token: str, file: Path | None = None) -> None:
        """Takes the token and the file that holds it; None if it is in no file."""
        self._token = token.encode()
        self._file = file
        self._stamp: object = None
        self._logged_out: dict[str, int] = {}

    @property
    def cookie(self) -> str:
        """The name of the cookie: servers with other tokens at the same host have other names."""
        return f"lkm_tune_session_{self._signed('cookie', '')[:8]}"

    def refresh(self) -> None:
        """Takes the token of the file if the file has changed; a missing file gets a new token.

        While the file cannot be used, no token and no session counts.
        """
        if self._file is None or self._stamp == (stamp := _stamp(self._file)):
            return
        try:
            self._token = read_token(self._file).encode()
            stamp = stamp or _stamp(self._file)
        except LkmTuneError as error:
            logging.getLogger("uvicorn.error").error("Nobody can log in: %s", error)
            self._token = secrets.token_bytes(32)
        self._stamp = stamp

    def is_token(self, given: str) -> bool:
        """Whether a text is the token."""
        return secrets.compare_digest(given.encode("utf-8", "replace"), self._token)

    def new_session(self) -> str:
        """The value of a new session's cookie."""
        begun = f"{int(time.time()) + SESSION_SECONDS}.{secrets.token_urlsafe(16)}"
        return f"{begun}.{self._signed('session', begun)}"

    def is_session(self, cookie: str) -> bool:
        """Whether a cookie is that of a session that has not ended."""
        begun, _, signature = cookie.rpartition(".")
        if not self._same(signature, "session", begun):
            return False
        return _end(cookie) > time.time() and cookie not in self._logged_out

    def end_session(self, cookie: str) -> None:
        """Ends a session before its time."""
        now = time.time()
        self._logged_out = {one: end for one, end in self._logged_out.items() if end > now}
        if self.is_session(cookie):
            self._logged_out[cookie] = _end(cookie)

    def form_mark(self, cookie: str) -> str:
        """The hidden field of the forms of a session, which another site cannot know."""
        return self._signed("form", cookie)

    def is_form_mark(self, given: str, cookie: str) -> bool:
        """Whether a form carries the mark of its session."""
        return self._same(given, "form", cookie)

    def _same(self, given: str, use: str, text: str) -> bool:
        wanted = self._signed(use, text)
        return secrets.compare_digest(given.encode("utf-8", "replace"), wanted.encode())

    def _signed(self, use: str, text: str) -> str:
        message = f"lkm-tune {use} {text}".encode("utf-8", "replace")
        return hmac.new(self._token, message, hashlib.sha256).hexdigest()
