"""Reading any file gives a study or a `StudyError` that points into the file."""

import tempfile
from pathlib import Path
from typing import Any

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lkm_tune.study import Catalog, Study, StudyError, find_study, load_study, study_to_file

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-3, 200)
    | st.floats()
    | st.sampled_from(["tpe", "float", "int", "choice", "l1", "pamnet", "qm9/mu", "", "-", "1e3"])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "low", "high", "depth", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)


def _mutated(data: Any, draw: st.DataObject) -> Any:
    """`data` with one of its values, at any depth, replaced, removed or added."""
    if not isinstance(data, dict) or not data or draw.draw(st.integers(0, 3)) == 0:
        return draw.draw(VALUES)
    key = draw.draw(st.sampled_from([*data, "new", "trails"]))
    if draw.draw(st.integers(0, 5)) == 0:
        return {name: value for name, value in data.items() if name != key}
    return {**data, key: _mutated(data.get(key), draw)}


def _read(text: str, catalog: Catalog) -> Study | StudyError:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "study.yaml"
        path.write_text(text, encoding="utf-8")
        try:
            return load_study(path, catalog)
        except StudyError as error:
            return error


def _check(text: str, catalog: Catalog) -> None:
    read = _read(text, catalog)
    if isinstance(read, Study):
        assert _read(yaml.safe_dump(study_to_file(read)), catalog) == read
        return
    assert read.errors
    n_lines = len(text.splitlines())
    for problem in read.errors:
        assert problem.line is None or 1 <= problem.line <= max(n_lines, 1)
        assert problem.rule
        assert "Input should" not in problem.rule, "pydantic's words, not ours"


@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_mutated_files(catalog: Catalog, draw: st.DataObject) -> None:
    data = yaml.safe_load(find_study("quickstart").read_text(encoding="utf-8"))
    for _ in range(draw.draw(st.integers(1, 3))):
        data = _mutated(data, draw)
    _check(yaml.safe_dump(data), catalog)


@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_damaged_text(catalog: Catalog, draw: st.DataObject) -> None:
    text = find_study("quickstart").read_text(encoding="utf-8")
    at = draw.draw(st.integers(0, len(text)))
    junk = draw.draw(st.text(alphabet="{}[]:,-&*!|>'\"#%@`\t\n ab1\x00é", max_size=6))
    _check(text[:at] + junk + text[at + draw.draw(st.integers(0, 40)) :], catalog)
