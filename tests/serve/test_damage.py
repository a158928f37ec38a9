"""Damaged files of a study: the error names the file, and the sound parts are still shown."""

import json
import shutil
import time

import pytest

from lkm_tune.files import write_text
from tests.serve.conftest import server

PATHS = ("", "/runs", "/report", "/report/optima", "/runs.csv")

# The file, what replaces it, and whether curves and runs are still shown.
DAMAGED = [
    *(("study.json", text, False) for text in ("null", "[1, 2]", '"x"', "{}", "{", "3")),
    *(("report/transfer.json", text, True) for text in ("null", "[1]", '"x"', '{"a": ')),
    ("report/transfer.json", '{"schema_version": SCHEMA, "answers": [{}], "summary": {}}', True),
    ("report/transfer.json", '{"schema_version": SCHEMA, "answers": null}', True),
    *(("use.json", text, True) for text in ("null", "[]", "{}", '{"spent": 3}', "{")),
    *(("left_out.json", text, True) for text in ("null", "{}", "[3]", '[{"a": 1}]', "[")),
    *(("identity.json", text, True) for text in ("null", "{}", "[")),
]


@pytest.mark.parametrize(("file", "text", "shown"), DAMAGED)
def test_a_damaged_file(storage, file, text, shown):
    place = storage / "studies" / "done"
    schema = json.loads((place / "report" / "transfer.json").read_text())["schema_version"]
    (place / file).write_text(text.replace("SCHEMA", str(schema)))
    with server(storage) as http:
        told = http.get("/api/v1/studies/done")
        assert f"{file} is damaged" in told.text
        assert bool(told.json().get("curves")) == shown
        for wrong in ("Error:", "pydantic", "NoneType", "object"):
            assert wrong not in told.text
        for path in PATHS:
            status = http.get(f"/api/v1/studies/done{path}").status_code
            assert status == 200 or (status == 404 and (not shown or "report" in path)), path
        asked = http.get("/api/v1/best-gamma", params={"study": "done"})
        assert asked.status_code in (200, 404)
        assert asked.status_code == 200 or f"{file} is damaged" in asked.json()["detail"]
        assert "is damaged" in http.get("/studies/done").text
        assert http.get("/").status_code == 200


def test_a_repaired_file_is_seen(storage):
    place = storage / "studies" / "done"
    for file in ("identity.json", "use.json", "left_out.json", "report/transfer.json"):
        path = place / file
        if path.exists():
            shutil.copy(path, path.with_suffix(".kept"))
        path.write_text("{")
    with server(storage) as http:

        def damaged():
            return http.get("/api/v1/studies/done").text.count("is damaged")

        for left, file in enumerate(("identity.json", "use.json", "left_out.json"), -3):
            assert damaged() == 1 - left
            path = place / file
            if path.with_suffix(".kept").exists():
                write_text(path, path.with_suffix(".kept").read_text())
            else:
                path.unlink()
            end = time.monotonic() + 30
            while damaged() > -left:
                assert time.monotonic() < end, file
                time.sleep(0.1)
