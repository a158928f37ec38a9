"""Files of a trial, in a folder and in an object store, with the same tests."""

import pytest
import torch
from s3_server import s3_server

from lkm_tune.training import Checkpoints, open_store
from lkm_tune.training.file_store import remove_place


@pytest.fixture(scope="module")
def s3():
    with s3_server():
        yield "s3://bucket/studies"


@pytest.fixture(params=["folder", "s3"])
def place(request, tmp_path):
    if request.param == "folder":
        return str(tmp_path / "trial")
    return f"{request.getfixturevalue('s3')}/{tmp_path.name}"


def test_a_place_is_removed_with_everything_in_it_and_nothing_beside_it(place):
    remove_place(place)
    inner, beside = open_store(f"{place}/cell/trial"), open_store(f"{place}-beside")
    for store in (inner, beside):
        store.write("a", b"1")
    remove_place(place)
    assert inner.names() == []
    assert beside.names() == ["a"]


def test_files_by_name(place):
    store = open_store(place)
    assert store.names() == []
    store.delete("a")
    store.write("a", b"1")
    store.write("b", b"2")
    store.write("a", b"3")
    assert sorted(open_store(place).names()) == ["a", "b"]
    assert open_store(place).read("a") == b"3"
    store.delete("a")
    assert store.names() == ["b"]
    with pytest.raises(FileNotFoundError):
        store.read("a")


def test_checkpoints_over_attempts(place):
    first, second = Checkpoints(place), Checkpoints(place)
    first.save({"weights": torch.ones(3)}, 1)
    second.save({"weights": torch.zeros(3)}, 2)
    first.save({"weights": torch.ones(3)}, 1)
    assert torch.equal(Checkpoints(place).newest()["weights"], torch.zeros(3))
    second.discard()
    assert open_store(place).names() == []


def test_a_bucket_that_is_not_there(s3):
    store = open_store("s3://another/path")
    with pytest.raises(OSError, match="another"):
        store.write("a", b"1")


def test_an_address_of_no_known_kind():
    with pytest.raises(ValueError, match=r"ftp://x must be a folder, or .* s3://BUCKET/PATH"):
        open_store("ftp://x")
