"""A study as plain data: to store it, to read it, and to compare it with another study."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from lkm_tune.study.study import Study

_STUDY: TypeAdapter[Study] = TypeAdapter(Study)


def study_to_dict(study: Study) -> dict[str, Any]:
    """Every key of `study` as JSON data, including defaults."""
    data: dict[str, Any] = _STUDY.dump_python(study, mode="json")
    return data


def study_to_file(study: Study) -> dict[str, Any]:
    """The content of a study file that reads as `study`: every key, including defaults.

    A file must not fix a setting that it also searches or compares, so these have no default here.
    """
    data, varied = study_to_dict(study), {*study.space, *study.compare}
    plans = {
        section: {name: value for name, value in data[section].items() if name not in varied}
        for section in ("training", "lkm")
    }
    return {**data, **plans}


def study_from_dict(data: Mapping[str, Any]) -> Study:
    """The inverse of `study_to_dict` and of `study_to_file`. No catalog checks the names.

    Raises:
        ValueError: if the data do not describe a study; the error names the keys.
    """
    # Studies of earlier versions have `search.warm_start`, which no longer exists.
    search = {k: v for k, v in data.get("search", {}).items() if k != "warm_start"}
    try:
        return _STUDY.validate_json(json.dumps({**data, "search": search}))
    except ValidationError as error:
        said = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()[:5]]
        raise ValueError(f"it is no study ({'; '.join(said)})") from error


def digest(study: Study) -> str:
    """Twelve hexadecimal digits of the SHA-256 of the study, equal on every machine."""
    text = json.dumps(study_to_dict(study), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]
