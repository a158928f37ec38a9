"""Ray's authentication mode and access to Ray, as tables."""

import json
import os
from pathlib import Path

import pytest

from lkm_tune.search.cluster.auth import (
    CLOSED,
    LONGEST_FOLDER,
    MODE,
    TOKEN,
    choose_auth_mode,
    close_doors,
    short_folder,
)


@pytest.fixture
def clean(monkeypatch, tmp_path):
    for name in (MODE, TOKEN, "RAY_AUTH_TOKEN_PATH", "RAY_TMPDIR", *CLOSED):
        # Set first: pytest then also undoes the function's changes.
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ray").mkdir()
    return tmp_path / ".ray" / "auth_token"


@pytest.mark.parametrize(
    ("address", "mode", "token_file", "variable", "expected"),
    [
        (None, None, True, None, None),  # a new Ray, which has a token
        ("host:6379", None, False, None, None),
        ("host:6379", None, True, None, "token"),
        ("auto", None, False, "RAY_AUTH_TOKEN", "token"),
        ("auto", None, False, "RAY_AUTH_TOKEN_PATH", "token"),
        ("auto", "disabled", True, None, "disabled"),  # the user's setting counts
    ],
)
def test_mode(monkeypatch, clean, address, mode, token_file, variable, expected):
    if mode:
        monkeypatch.setenv(MODE, mode)
    if variable:
        monkeypatch.setenv(variable, "secret")
    if token_file:
        clean.write_text("secret")
    choose_auth_mode(address)

    assert os.environ.get(MODE) == expected


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_a_token_that_others_can_read_is_refused(monkeypatch, clean, mode):
    clean.write_text("secret")
    clean.chmod(mode)
    with pytest.raises(ValueError, match=f"has the mode {mode:04o}.* chmod 600 {clean}"):
        close_doors("host:6379")
    clean.chmod(0o600)
    close_doors("host:6379")
    clean.chmod(mode)
    monkeypatch.setenv(TOKEN, "of a job alone")
    close_doors("host:6379")
    assert os.environ[TOKEN] == "of a job alone"


def test_what_a_user_sets_stays(monkeypatch, clean):
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "1")
    close_doors(None)
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "1"
    assert len(os.environ[TOKEN]) == 64


def test_sockets_of_ray_get_a_short_path(monkeypatch, clean, tmp_path):
    monkeypatch.setenv("RAY_TMPDIR", "/" + "t" * (LONGEST_FOLDER - 1))
    assert short_folder() is None
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path / ("t" * LONGEST_FOLDER)))
    folder = Path(short_folder())
    assert len(str(folder)) <= LONGEST_FOLDER and folder.stat().st_mode & 0o077 == 0


# Requests metrics, without a token, from every port of this Ray, and joins it without its token.
PROGRAM = """
import http.client, json, os, subprocess, sys, urllib.request
import psutil, ray
from lkm_tune.search.cluster.joining import connect

connect(None)
stranger = {name: value for name, value in os.environ.items() if not name.startswith("RAY_AUTH")}
joined = subprocess.run(
    [sys.executable, "-c", f"import ray; ray.init({ray.get_runtime_context().gcs_address!r})"],
    env=stranger, capture_output=True, text=True,
)
told = []
for process in psutil.Process().children(recursive=True):
    for place in process.net_connections("inet"):
        if place.status == psutil.CONN_LISTEN:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{place.laddr.port}/metrics",
                                            timeout=3) as answer:
                    told.append([process.name(), place.laddr.port, answer.read(60).decode()])
            except (OSError, ValueError, http.client.HTTPException):
                pass
file = os.path.exists(os.path.expanduser("~/.ray/auth_token"))
print(json.dumps({"told": told, "file": file, "joined": joined.stderr[-2000:]}))
"""


def test_a_ray_of_ones_own_is_closed_and_writes_no_token(monkeypatch, clean, run_on_ray):
    found = json.loads(run_on_ray(PROGRAM, RAY_AUTH_MODE=None))
    assert (found["told"], found["file"]) == ([], False)
    assert "AuthenticationError" in found["joined"]


# Joins a Ray without tokens from a process that has one.
MIXED = """
import os, subprocess, sys
import ray

ray.init("local", num_cpus=1, include_dashboard=False)
joins = '''
import sys
from lkm_tune.search.cluster.auth import choose_auth_mode
choose_auth_mode(sys.argv[1])
from lkm_tune.search.cluster.joining import connect
connect(sys.argv[1])
'''
address = ray.get_runtime_context().gcs_address
env = os.environ | {"RAY_AUTH_TOKEN": "0" * 64}
for mode in (None, "disabled"):
    env.pop("RAY_AUTH_MODE", None)
    env |= {"RAY_AUTH_MODE": mode} if mode else {}
    command = [sys.executable, "-c", joins, address]
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    print(done.returncode, done.stderr.strip().splitlines()[-1:])
"""


def test_a_token_for_a_ray_without_tokens_is_named(run_on_ray):
    """Otherwise Ray ends every trial, as if it were out of memory."""
    refused, joined = run_on_ray(MIXED).splitlines()
    assert refused.startswith("1 ") and "set RAY_AUTH_MODE=disabled to join" in refused
    assert joined.startswith("0 ")
