from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from lkm_tune.study import Catalog, Study, StudyError, load_study

COMMON = {"hidden": 128, "depth": 6, "layers": "both"}
QM9 = ["mu", "alpha", "homo", "lumo", "gap", "r2", "zpve", "U0", "U", "H", "G", "Cv"]


@pytest.fixture
def catalog() -> Catalog:
    return Catalog(
        models={
            "dimenet++": {**COMMON, "layers": "sum"},
            "mxmnet": {**COMMON, "cutoff": 5.0, "elements": (1, 6)},
            "pamnet": {**COMMON, "cutoff_l": 5.0, "elements": (1, 6)},
        },
        tasks=[f"qm9/{target}" for target in QM9],
    )


@pytest.fixture
def load(tmp_path: Path, catalog: Catalog) -> Callable[..., Study]:
    """Reads a study from text; `with_catalog` replaces fields of the catalog."""

    def _load(text: str, *overrides: str, **with_catalog: Any) -> Study:
        path = tmp_path / "study.yaml"
        path.write_text(text, encoding="utf-8")
        fields: Mapping[str, Any] = {**vars(catalog), **with_catalog}
        return load_study(path, Catalog(**fields), overrides)

    return _load


@pytest.fixture
def errors(load: Callable[..., Study], tmp_path: Path) -> Callable[..., list[str]]:
    """The lines of the error from reading a text, without the folder of the file."""

    def _errors(text: str, *overrides: str, **with_catalog: Any) -> list[str]:
        with pytest.raises(StudyError) as raised:
            load(text, *overrides, **with_catalog)
        return str(raised.value).replace(f"{tmp_path}/", "").split("\n")

    return _errors
