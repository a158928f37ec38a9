"""The time that a study still needs, from its ended trials and the epochs of its running trials."""

from dataclasses import replace

import pytest

from lkm_tune.ledger.ledger import Ledger
from lkm_tune.search.planner import Planner
from lkm_tune.search.progress import Parts, Progress
from lkm_tune.study import GAMMA, CurvePlan, SearchPlan, Study, TrainingPlan

STUDY = Study(
    name="s",
    models={"gcn": {}},
    tasks=("cora",),
    space={"gamma": GAMMA},
    search=SearchPlan(trials=0, control=False),
    curve=CurvePlan(gammas=(0.0, 0.1), seeds=(1, 2)),
    training=TrainingPlan(epochs=10),
)


class Driver:
    """A driver whose trials make epochs as the test says."""

    def __init__(self, path, study=STUDY):
        self.planner = Planner(study, Ledger(study, path))
        self.now = 0.0
        self.parts = Parts(self.planner, lambda: self.now)
        self.planner.ledger.listen(self.parts)
        self.start = Progress.of(self.planner)

    def begin(self):
        (spec,) = self.planner.take_next()
        self.planner.ledger.start(spec)
        return spec

    def report(self, spec, epoch):
        self.planner.ledger.report(spec, {"epoch": epoch})

    def end(self, spec):
        self.planner.ledger.finish(spec, "complete", {"val_error": 1.0}, "")

    def seconds_left(self, elapsed):
        return Progress.of(self.planner).seconds_left(self.start, elapsed, self.parts)


def test_epochs_of_running_trials_count(tmp_path):
    """Four trials of 10 epochs, 30 s an epoch: nobody waits for the end of the first trial."""
    driver = Driver(tmp_path / "ledger")
    first, second = driver.begin(), driver.begin()
    assert driver.seconds_left(20) is None
    driver.report(first, 1)
    assert driver.seconds_left(30) == pytest.approx(39 * 30)
    driver.report(second, 1)
    assert driver.seconds_left(60) == pytest.approx(38 * 30)
    driver.end(first)
    assert driver.seconds_left(11 * 30) == pytest.approx(29 * 30)
    driver.planner.ledger.start(second)  # on another node, from its beginning
    assert driver.seconds_left(300) == pytest.approx(30 * 30)


def test_repeated_reports_do_not_count(tmp_path):
    """A continued trial reports the epochs of the earlier driver again, all at once."""
    before = Driver(tmp_path / "ledger")
    before.report(before.begin(), 6)
    driver = Driver(tmp_path / "ledger")
    again = driver.begin()
    for epoch in range(1, 7):
        driver.report(again, epoch)
    assert driver.seconds_left(1) is None
    driver.now = 30.0
    driver.report(again, 7)
    assert driver.seconds_left(30) == pytest.approx((3 + 3 * 10) * 30)
    driver.end(again)
    assert driver.seconds_left(200) == pytest.approx(3 * 200)


def test_the_last_trials_take_their_own_time(tmp_path):
    """Two trials at a time, 30 s an epoch; the third ends, and the fourth runs on alone."""
    driver = Driver(tmp_path / "ledger")
    for _ in range(3):
        driver.end(driver.begin())
    last = driver.begin()
    for epoch in range(1, 5):
        driver.now = 500.0 + 30 * epoch
        driver.report(last, epoch)
    # At the rate of the driver, the rest of one trial would take 620 s / 3.4 × 0.6 = 109 s.
    assert driver.seconds_left(620) == pytest.approx(6 * 30)
    driver.end(last)
    assert driver.seconds_left(800) == 0


def test_a_trial_that_halving_may_stop_is_no_bound(tmp_path):
    spec = replace(STUDY, search=SearchPlan(trials=1, control=False, grace_period=1))
    driver = Driver(tmp_path / "ledger", spec)
    trial = driver.begin()
    for epoch in (1, 2):
        driver.now = 300.0 * epoch
        driver.report(trial, epoch)
    assert driver.parts.slowest == 0
