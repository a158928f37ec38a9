"""Who may read the files of a study that `run_study` runs."""

import os

import pytest

from lkm_tune.app import run


@pytest.mark.parametrize(("shared", "mode"), [(None, 0o600), ("0", 0o600), ("1", 0o644)])
def test_files_are_private_unless_they_are_shared(tmp_path, monkeypatch, shared, mode):
    monkeypatch.delenv("LKM_TUNE_SHARED", raising=False)
    if shared is not None:
        monkeypatch.setenv("LKM_TUNE_SHARED", shared)
    before = os.umask(0o022)
    try:
        with pytest.raises(KeyboardInterrupt), run.private_files():
            (tmp_path / "ledger").touch()
            raise KeyboardInterrupt
        (tmp_path / "later").touch()
    finally:
        os.umask(before)
    assert (tmp_path / "ledger").stat().st_mode & 0o777 == mode
    assert (tmp_path / "later").stat().st_mode & 0o777 == 0o644
