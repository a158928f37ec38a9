import re
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

import pytest
import yaml

from lkm_tune.app.catalog import make_catalog
from lkm_tune.search.judgement import largest_plan
from lkm_tune.study import (
    Catalog,
    Study,
    StudyError,
    advice,
    find_study,
    load_study,
    plan_summary,
    shipped_studies,
    study_to_file,
)

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", shipped_studies())
def test_shipped_study(name: str) -> None:
    study = load_study(find_study(name), make_catalog())
    assert study.name == name
    assert advice(study) == []
    # A study continues from the stored form of its file.
    assert load_study(study_to_file(study), make_catalog()) == study


@pytest.mark.parametrize("name", sorted(set(shipped_studies()) - {"quickstart"}))
def test_a_shipped_study_says_what_it_costs(name: str) -> None:
    path = find_study(name)
    study = load_study(path, make_catalog())
    summary, most = plan_summary(study), largest_plan(study)
    text = " ".join(path.read_text(encoding="utf-8").replace("#", "").split())
    cells = f"{summary.cells} cell{'s' if summary.cells > 1 else ''}"
    assert f"{cells}, {summary.trials:,} to {most.trials:,} trials" in text
    told = re.search(r"([\d.]+) (million|billion) passes", text)
    if told:
        unit = {"million": 1e6, "billion": 1e9}[told[2]]
        assert summary.max_molecule_epochs / unit == pytest.approx(float(told[1]), rel=0.02)


def test_qm9_says_how_long_it_takes(catalog: Catalog) -> None:
    path = find_study("qm9")
    summary = plan_summary(load_study(path, catalog))
    text = " ".join(path.read_text(encoding="utf-8").replace("#", "").split())
    assert f"{summary.expected_molecule_epochs / 1e9:.0f} billion expected with successive" in text
    assert f"about {summary.expected_molecule_epochs / 4000 / 86400:.0f} GPU-days" in text


def test_a_file_comes_before_a_shipped_study(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shipped = shipped_studies()["qm9"]
    assert find_study("qm9") == shipped
    assert find_study("search_spaces/qm9.yaml") == shipped
    (tmp_path / "qm9").touch()
    assert find_study("qm9") == Path("qm9")


def test_unknown_study_lists_the_shipped_ones() -> None:
    with pytest.raises(StudyError) as raised:
        find_study("quickstrat.yaml")
    assert str(raised.value) == (
        "quickstrat.yaml: is neither a file nor the name of a shipped study; valid: "
        f"{', '.join(shipped_studies())} (did you mean quickstart?)"
    )
    assert {"qm9", "quickstart"} <= set(shipped_studies())


def test_the_docs_tell_every_key_and_its_default() -> None:
    text = (ROOT / "docs" / "study_file.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([a-z_.]+)` \| (.+?) \|", text, re.MULTILINE)
    told = {key: shown.strip("`") for key, shown in rows if key not in ("float", "int", "choice")}
    expected: dict[str, Any] = {}
    for field in fields(Study):
        part = get_type_hints(Study)[field.name]
        inner = fields(part) if is_dataclass(part) else ()
        expected |= {f"{field.name}.{key.name}": key.default for key in inner}
        if not inner:
            expected[field.name] = field.default
    assert told.keys() == expected.keys()
    for key, default in expected.items():
        if key in ("space", "compare"):
            continue
        if default is MISSING:
            assert told[key] == "required", key
        else:
            value = yaml.safe_load(told[key])
            assert value == (list(default) if isinstance(default, tuple) else default), key
