"""When Ray's authentication mode is set for the user: a table."""

import os

import pytest

from lkm_tune.search.cluster.auth import MODE, choose_auth_mode


@pytest.mark.parametrize(
    ("address", "mode", "token_file", "variable", "expected"),
    [
        (None, None, True, None, None),  # Ray's own, which it starts with a token
        ("host:6379", None, False, None, None),
        ("host:6379", None, True, None, "token"),
        ("auto", None, False, "RAY_AUTH_TOKEN", "token"),
        ("auto", None, False, "RAY_AUTH_TOKEN_PATH", "token"),
        ("auto", "disabled", True, None, "disabled"),  # the user's word counts
    ],
)
def test_mode(monkeypatch, tmp_path, address, mode, token_file, variable, expected):
    for name in (MODE, "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        # Set first: what the function sets is then undone, too.
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    if mode:
        monkeypatch.setenv(MODE, mode)
    if variable:
        monkeypatch.setenv(variable, "secret")
    if token_file:
        (tmp_path / ".ray").mkdir()
        (tmp_path / ".ray" / "auth_token").write_text("secret")
    choose_auth_mode(address)

    assert os.environ.get(MODE) == expected
