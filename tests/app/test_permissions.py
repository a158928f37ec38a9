"""What a sent study may name: the folders of `--data`, and nothing that their links lead to."""

from pathlib import Path

import pytest

from lkm_tune.app import permissions
from lkm_tune.app.permissions import Permissions
from lkm_tune.study import StudyError, load_study

STUDY = """
name: s
models: [gin]
tasks: TASK
search: {trials: 0, control: false}
curve: {gammas: [0, 0.01], seeds: [1]}
data: {n_train: 100, n_val: 8, n_test: 8, DATA}
"""


@pytest.fixture
def said(tmp_path: Path):
    """The errors of a study whose data lie at a path below `data`."""
    data = tmp_path / "data"
    for folder in ("data/q/deep", "data/other", "outside"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "outside" / "qm9.npz").write_bytes(b"x")
    (data / "other" / "qm9.npz").write_bytes(b"x")

    def errors(path: str, *, own: bool = False) -> str:
        where = data / path
        text = STUDY.replace("TASK", f"['file:{where}']" if own else "[qm9/homo]")
        text = text.replace("DATA", "target: y" if own else f"source: '{where}'")
        file = tmp_path / "study.yaml"
        file.write_text(text)
        try:
            load_study(file, Permissions(data=(data,)).catalog())
        except StudyError as error:
            return str(error)
        return ""

    return data, errors


@pytest.mark.parametrize(
    ("link", "goal", "refused"),
    [
        ("q/qm9.npz", "../../outside/qm9.npz", True),
        ("q/deep/qm9.npz", "../../../outside/qm9.npz", True),
        ("q/deep/folder", "../../../outside", True),
        ("q/qm9.npz", "../other/qm9.npz", False),
        ("q/folder", "../other", False),
        ("q/round", "..", False),
        ("q/deep/round", "..", False),
    ],
)
def test_no_link_below_a_folder_leads_out(said, link: str, goal: str, refused: bool) -> None:
    data, errors = said
    assert errors("q") == ""
    (data / link).symlink_to(goal)
    assert ("--data" in errors("q")) == refused


def test_a_link_out_behind_a_link_to_another_folder(said) -> None:
    data, errors = said
    (data / "q" / "folder").symlink_to("../other")
    (data / "other" / "out").symlink_to("../../outside")
    assert "--data" in errors("q")


@pytest.mark.parametrize("own", [False, True])
def test_a_link_to_itself_is_an_error_of_its_key(said, own: bool) -> None:
    data, errors = said
    (data / "loop").symlink_to("loop")
    found = errors("loop", own=own)
    assert "study.yaml:4: tasks" in found and "cannot be opened: Symlink loop" in found


def test_a_folder_of_too_many_files(said, monkeypatch: pytest.MonkeyPatch) -> None:
    data, errors = said
    monkeypatch.setattr(permissions, "MOST_ENTRIES", 2)
    for name in "abc":
        (data / "q" / name).touch()
    assert "at most 2 files" in errors("q")
