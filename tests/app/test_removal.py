"""Removal of a study that a server was sent and that never began."""

import pytest

from lkm_tune.app import LkmTuneError, remove_study, study_remains
from lkm_tune.ledger.lock import hold
from lkm_tune.ledger.study_folder import StudyFolder


def test_a_study_that_never_began_is_removed(tmp_path):
    folder = StudyFolder(tmp_path, "sent")
    folder.path.mkdir(parents=True)
    folder.submitted.write_text("name: sent\n")
    folder.output.write_text("Error: no data\n")
    remains = study_remains("sent", tmp_path)
    assert (remains.folder, remains.experiments) == (folder.path, ())
    with hold(folder.lock), pytest.raises(LkmTuneError, match="already runs in process"):
        remove_study("sent", tmp_path)
    remove_study("sent", tmp_path)
    assert not folder.path.exists()
    with pytest.raises(LkmTuneError, match="there are: none"):
        remove_study("../studies", tmp_path)
