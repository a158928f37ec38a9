"""Addresses that MLflow cannot open: whatever it says of them, no text has their password."""

import pytest

from lkm_tune.ledger.study_identity import StudyIdentity
from lkm_tune.tracking import StudyRecorder
from lkm_tune.tracking.experiments import retire_experiment
from lkm_tune.tracking.importer import import_runs
from lkm_tune.tracking.outbox import OUTBOX
from lkm_tune.tracking.reader import trial_of_run
from lkm_tune.tracking.removal import delete_experiments, experiments_of

PASSWORD = "correct-horse-42"
ADDRESSES = {
    "nobody answers": f"http://me:{PASSWORD}@127.0.0.1:9",
    "no such kind": f"postgre://me:{PASSWORD}@127.0.0.1:9/runs",
    "no port": f"postgresql://me:{PASSWORD}@127.0.0.1:port/runs",
    "no such driver": f"mysql://me:{PASSWORD}@127.0.0.1:9/runs",
}


@pytest.fixture(params=ADDRESSES)
def uri(request):
    return ADDRESSES[request.param]


def test_what_is_delivered(uri, tmp_path, play, caplog, capfd):
    recorder = StudyRecorder(play.make_study(), tmp_path, uri, tmp_path, 0.01, play.FACTS)
    recorder.check(60)
    play.study(recorder, tmp_path / "report")
    assert recorder.close() > 0
    (said,) = [r.getMessage() for r in caplog.records if r.name.startswith("lkm_tune")]
    assert said.startswith("MLflow cannot be written: ")
    texts = [caplog.text, *capfd.readouterr()]
    texts += [path.read_text() for path in tmp_path.rglob("*") if path.is_file()]
    assert PASSWORD not in "".join(texts)


@pytest.mark.parametrize(
    "verb",
    [
        lambda uri, own, outbox: retire_experiment(uri, own, outbox),
        lambda uri, own, outbox: experiments_of(uri, own, outbox),
        lambda uri, own, outbox: delete_experiments(uri, own, outbox),
        lambda uri, own, outbox: import_runs(uri),
        lambda uri, own, outbox: trial_of_run(uri, "a" * 32),
    ],
    ids=["retire", "experiments", "delete", "import", "run"],
)
def test_what_is_asked(uri, tmp_path, verb, capfd):
    own = StudyIdentity.of(tmp_path, "small")
    with pytest.raises(ConnectionError) as refused:
        verb(uri, own, tmp_path / OUTBOX)
    assert PASSWORD not in "".join([str(refused.value), *capfd.readouterr()])
