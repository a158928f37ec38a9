"""The outbox: no lost and no torn messages."""

import json
import math
import os

import pytest

from lkm_tune.tracking.outbox import Outbox


@pytest.fixture
def path(tmp_path):
    return tmp_path / "outbox.jsonl"


def item(number, kind="epoch"):
    return {"run": "a", "kind": kind, "number": number}


def fill(path, count, destination="a"):
    outbox = Outbox(path, destination)
    for number in range(count):
        outbox.append(item(number), sync=number == count - 1)
    return outbox


def numbers(outbox, limit=100):
    return [record["number"] for record in outbox.read(limit)[0]]


def test_records_come_in_order_and_in_portions(path):
    outbox = fill(path, 5)
    seen = []
    while records := outbox.read(2):
        portion, offset = records
        if not portion:
            break
        seen.append([record["number"] for record in portion])
        outbox.mark_delivered(offset)
    assert seen == [[0, 1], [2, 3], [4]]
    assert outbox.pending() == 0
    assert outbox.offset == outbox.size == path.stat().st_size


def test_the_offset_outlives_the_process(path):
    outbox = fill(path, 3)
    outbox.mark_delivered(outbox.read(2)[1])
    outbox.close()
    again = Outbox(path, "a")
    assert numbers(again) == [2]
    assert again.pending() == 1


def test_another_destination_gets_everything(path):
    outbox = fill(path, 3)
    outbox.mark_delivered(outbox.size)
    assert numbers(Outbox(path, "postgresql://user:secret@host/db")) == [0, 1, 2]
    assert "secret" not in "".join(p.read_text() for p in path.parent.iterdir())


def test_values_come_back_as_they_were(path):
    outbox = Outbox(path, "a")
    outbox.append(
        {"run": "γ=0.01", "kind": "tags", "x": [0.1 + 0.2, math.inf, math.nan, None, True]}
    )
    (record,), _ = outbox.read(1)
    assert record["run"] == "γ=0.01"
    assert record["x"][:2] == [0.1 + 0.2, math.inf]
    assert math.isnan(record["x"][2])
    assert record["x"][3:] == [None, True]


@pytest.mark.parametrize("tail", [b'{"number": 3', b"{", b"\x00" * 70000])
def test_a_torn_tail_is_cut(path, tail):
    fill(path, 3).close()
    whole = path.read_bytes()
    path.write_bytes(whole + tail)
    outbox = Outbox(path, "a")
    assert path.read_bytes() == whole
    outbox.append(item(3))
    assert numbers(outbox) == [0, 1, 2, 3]


def test_a_file_that_is_all_torn_is_empty(path):
    path.write_bytes(b'{"number"')
    outbox = Outbox(path, "a")
    assert (outbox.size, outbox.pending()) == (0, 0)


def test_a_damaged_line_does_not_hide_the_others(path):
    fill(path, 1).close()
    with path.open("ab") as file:
        file.write(b'\xff{"number"\n[1]\n{}\n{"run":"a","kind":"end"}\n')
    outbox = Outbox(path, "a")
    kinds = [record["kind"] for record in outbox.read(9)[0]]
    assert kinds == ["epoch", "unreadable", "unreadable", "unreadable", "end"]


def test_search_finds_kinds_delivered_or_not(path):
    outbox = Outbox(path, "a")
    for number, kind in enumerate(["start", "epoch", "end", "tags", "end"]):
        outbox.append(item(number, kind) | {"text": '"kind":"end"'})
    outbox.mark_delivered(outbox.read(3)[1])
    assert [record["number"] for record in outbox.search("start", "end")] == [0, 2, 4]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"destination": "x"}', '{"destination": 1, "offset": 10}']
)
def test_a_damaged_offset_means_the_beginning(path, text):
    outbox = fill(path, 2)
    outbox.mark_delivered(outbox.size)
    path.with_suffix(".delivered.json").write_text(text)
    assert numbers(Outbox(path, "a")) == [0, 1]


def test_an_offset_beyond_the_file_means_the_beginning(path):
    outbox = fill(path, 2)
    outbox.mark_delivered(outbox.size)
    kept = path.with_suffix(".delivered.json")
    kept.write_text(json.dumps(json.loads(kept.read_text()) | {"offset": 10_000}))
    assert numbers(Outbox(path, "a")) == [0, 1]


def test_a_full_disk_leaves_whole_lines(path, monkeypatch):
    outbox = fill(path, 2)
    write = os.write
    monkeypatch.setattr(os, "write", lambda file, data: write(file, data[:5]))
    with pytest.raises(OSError, match=r"outbox.jsonl.*only 5 of \d+ bytes fit"):
        outbox.append(item(2))
    monkeypatch.undo()
    outbox.append(item(3))
    assert numbers(outbox) == [0, 1, 3]


def test_a_closed_outbox_takes_nothing(path):
    outbox = fill(path, 1)
    outbox.close()
    with pytest.raises(ValueError, match="closed outbox"):
        outbox.append(item(1))
