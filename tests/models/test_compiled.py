"""The compiled kernels, and the cases without kernels."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from lkm_tune.models import compiled


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty cache; afterwards this process loads its kernels again."""
    if compiled.kernels() is None:
        pytest.skip("no C compiler, or no cache folder")
    monkeypatch.setenv("LKM_TUNE_CACHE", str(tmp_path))
    compiled.kernels.cache_clear()
    yield tmp_path / "kernels"
    compiled.kernels.cache_clear()


def libraries(folder):
    return [path.name for path in folder.iterdir()]


def test_compiled_once_and_found_again(folder, monkeypatch):
    assert compiled.kernels() is not None
    (name,) = libraries(folder)
    compiled.kernels.cache_clear()
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("compiled again"))
    assert compiled.kernels() is not None and libraries(folder) == [name]


def test_not_at_import(folder):
    subprocess.run([sys.executable, "-c", "import lkm_tune.models.mxmnet"], check=True)
    assert not folder.exists()


def test_two_processes_at_once_leave_one_library(folder):
    code = "from lkm_tune.models.compiled import kernels; assert kernels() is not None"
    with ThreadPoolExecutor(2) as both:
        runs = [both.submit(subprocess.run, [sys.executable, "-c", code]) for _ in range(2)]
    assert [run.result().returncode for run in runs] == [0, 0]
    assert len(libraries(folder)) == 1


def test_a_torn_library_is_made_again(folder):
    compiled.kernels()
    (name,) = libraries(folder)
    whole = (folder / name).read_bytes()
    compiled.kernels.cache_clear()
    (folder / name).unlink()  # the old file is still mapped, so a new file replaces it
    (folder / name).write_bytes(whole[: len(whole) // 2])
    (folder / name).chmod(0o700)
    assert compiled.kernels() is not None
    assert (folder / name).read_bytes() == whole


def test_another_processor_gets_a_library_of_its_own(folder, monkeypatch):
    compiled.kernels()
    compiled.kernels.cache_clear()
    monkeypatch.setattr(compiled, "_processor", lambda: ("another",))
    assert compiled.kernels() is not None and len(libraries(folder)) == 2


@pytest.mark.parametrize("what", ["folder", "library"])
def test_what_others_can_write_is_not_run(folder, what):
    compiled.kernels()
    compiled.kernels.cache_clear()
    (folder if what == "folder" else folder / libraries(folder)[0]).chmod(0o777)
    assert compiled.kernels() is None


def test_without_a_compiler_there_are_none(folder, monkeypatch):
    monkeypatch.setenv("PATH", str(folder))
    assert compiled.kernels() is None


def test_a_cache_that_cannot_be_made(folder):
    folder.write_text("a file in its place")
    assert compiled.kernels() is None


def test_a_compiler_that_fails(folder, monkeypatch):
    monkeypatch.setattr(compiled, "OPTIONS", (*compiled.OPTIONS, "-no-such-option"))
    assert compiled.kernels() is None and libraries(folder) == []
