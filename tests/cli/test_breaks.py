"""Interruptions from outside end with a message that says how to continue."""

import errno

import pytest
from click.testing import CliRunner

from lkm_tune.app import driver, preflight
from lkm_tune.cli import cli
from lkm_tune.files import write_text

PREPARE = preflight, "open_engine"
SEARCH = driver, "drive"


def quickstart(tmp_path, monkeypatch, step, error):
    """`lkm-tune run quickstart`, interrupted at one of its steps before training."""

    def breaks(*arguments):
        raise error

    monkeypatch.setattr(*step, breaks)
    return CliRunner().invoke(cli, ["run", "quickstart", "--storage", str(tmp_path)])


# Ctrl-C while Ray starts or data are prepared, and during the report.
@pytest.mark.parametrize("step", [PREPARE, SEARCH], ids=["prepare", "search"])
def test_an_interrupt_at_any_step_says_how_to_go_on(tmp_path, monkeypatch, step):
    monkeypatch.setattr(*PREPARE, lambda *arguments: (None, None))
    result = quickstart(tmp_path, monkeypatch, step, KeyboardInterrupt())
    assert result.exit_code == 130
    assert "interrupted: the same command continues" in result.output


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EIO, errno.ESTALE])
def test_a_disk_that_fails_is_named(tmp_path, monkeypatch, code):
    result = quickstart(tmp_path, monkeypatch, PREPARE, OSError(code, "the disk says no"))
    assert result.exit_code == 1
    assert f"{tmp_path}/studies/quickstart cannot be written: " in result.output
    assert "the same command continues" in result.output


def test_a_damaged_count_of_hours_is_said_before_anything_starts(tmp_path, monkeypatch):
    monkeypatch.setattr(PREPARE[0], "connect", lambda address: pytest.fail("started"))
    write_text(tmp_path / "studies/quickstart/use.json", '{"spent": ')
    result = CliRunner().invoke(cli, ["run", "quickstart", "--storage", str(tmp_path)])
    assert result.exit_code == 1
    assert "use.json is damaged" in result.output
    assert "delete it, and the hours spent so far count as none" in result.output


def test_fresh_sets_nothing_aside_while_mlflow_is_down(tmp_path, monkeypatch):
    """Otherwise new runs would mix with old runs of the same names."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    study = tmp_path / "studies/quickstart/study.json"
    write_text(study, "{}")
    result = CliRunner().invoke(cli, ["run", "quickstart", "--fresh", "--storage", str(tmp_path)])
    assert result.exit_code == 1
    assert "cannot be set aside, so no result is" in result.output
    assert study.exists()
