"""The check of a node that it sees the driver's files."""

import pytest

from lkm_tune.search.broken import failure_of
from lkm_tune.search.cluster.nodes import NodeError, check_place, marked


def test_the_drivers_place_is_known_by_its_mark(tmp_path):
    with marked(str(tmp_path)) as mark:
        check_place(str(tmp_path), mark)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_only_has_the_same_name_is_refused(tmp_path):
    ours, theirs = str(tmp_path / "ours"), str(tmp_path / "theirs")
    with marked(ours) as mark:
        with pytest.raises(NodeError, match="give --storage, or LKM_TUNE_STORAGE"):
            check_place(theirs, mark)
        with marked(theirs), pytest.raises(NodeError) as refused:
            check_place(theirs, mark)
    # The error is no fault of a trial, and another attempt would not help.
    assert failure_of(refused.value, 0).cause == "storage"
