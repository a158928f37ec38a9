"""The hours of a study over several drivers."""

from types import SimpleNamespace

import pytest

from lkm_tune.ledger.use import Use
from lkm_tune.search.meter import Meter


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def nodes():
    return {"10.0.0.1": {"of_cpu": 4.0, "of_gpu": 0.0}}


def trial(name, cpu, gpu):
    return SimpleNamespace(trial_id=name, config={"holds": {"cpu": cpu, "gpu": gpu}})


def test_hours_of_what_trials_hold_add_up_over_drivers(tmp_path):
    clock, path = Clock(), tmp_path / "use.json"
    meter = Meter(path, nodes, clock)
    a, b = trial("a", 2.0, 0.5), trial("b", 1.0, 0.0)
    meter.on_trial_start(0, [], a)
    clock.now += 3600
    meter.on_trial_start(0, [], b)
    meter.on_trial_result(0, [], b, {"node_ip": "10.0.0.1"})
    clock.now += 3600
    meter.on_trial_complete(0, [], a)
    clock.now += 3600
    meter.on_step_end(0, [])
    use = Use.read(path)
    assert (use.spent.wall, use.spent.cpu, use.spent.gpu) == pytest.approx((3, 6, 1))
    assert use.nodes == {
        "10.0.0.1": {"trials": 1, "cpu": 1.0, "gpu": 0.0, "of_cpu": 4.0, "of_gpu": 0.0}
    }
    again = Meter(path, nodes, clock)
    clock.now += 1800
    again.on_step_end(0, [])
    assert Use.read(path).spent.wall == pytest.approx(3.5)


def test_a_damaged_file_is_named(tmp_path):
    path = tmp_path / "use.json"
    path.write_text('{"spent": ')
    with pytest.raises(ValueError, match=r"use\.json is damaged"):
        Meter(path, nodes)
