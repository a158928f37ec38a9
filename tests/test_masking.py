"""Passwords in texts of every kind."""

import pytest

from lkm_tune.masking import masked

KEPT = "no password"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("postgresql://me:s3cr3t@host:5432/db", "postgresql://me:***@host:5432/db"),
        ("http://me:s3cr3t@host:5000", "http://me:***@host:5000"),
        ("at 'mysql+pymysql://me:a/b:c@d@host/db': no", "at 'mysql+pymysql://me:***@host/db': no"),
        ("postgresql://:s3cr3t@host/db", "postgresql://:***@host/db"),
        ("postgresql://host/db?user=me&password=s3cr3t&ssl=1", "postgresql://host/db?user=me&password=***&ssl=1"),
        ("mssql://host/db?PWD=s3cr3t'", "mssql://host/db?PWD=***'"),
        ("a=http://me:one@a b=http://me:two@b", "a=http://me:***@a b=http://me:***@b"),
        ("http://host:5000/path", KEPT),
        ("sqlite:////data/runs/mlflow.db", KEPT),
        ("s3://bucket/path and ssh://git@host/x", KEPT),
        ("write to me: someone@host", KEPT),
        ("", KEPT),
    ],
)  # fmt: skip
def test_addresses(text, expected):
    assert masked(text) == (text if expected is KEPT else expected)


@pytest.mark.parametrize(
    ("variable", "value", "secret"),
    [
        ("MLFLOW_TRACKING_PASSWORD", "s3cr3t", "s3cr3t"),
        ("MLFLOW_TRACKING_TOKEN", "s3cr3t", "s3cr3t"),
        ("MLFLOW_TRACKING_URI", "postgresql://me:s3%40cr3t@host/db", "s3@cr3t"),
        ("MLFLOW_TRACKING_URI", "postgresql://me:s3%40cr3t@host/db", "s3%40cr3t"),
        ("MLFLOW_TRACKING_URI", "postgresql://host/db?password=s3cr3t", "s3cr3t"),
    ],
)
def test_secrets_of_the_environment_are_masked_wherever_they_stand(
    monkeypatch, variable, value, secret
):
    said = f"the server does not know {secret} of me"
    assert masked(said) == said
    monkeypatch.setenv(variable, value)
    assert masked(said) == "the server does not know *** of me"


def test_a_short_secret_leaves_other_text_as_it_is(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:abc@host")
    assert masked("abc at http://me:abc@host") == "abc at http://me:***@host"
