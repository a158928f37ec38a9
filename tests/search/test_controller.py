"""The Tune controller of a study, on real Ray."""

SLOTS, TRIALS = 4, 40

PROGRAM = f"""
import sys, tempfile, time
from pathlib import Path
import ray
from ray import tune
from ray.tune.schedulers import FIFOScheduler
from ray.tune.search import Searcher
from lkm_tune.search.controller import run_trials

log = Path(sys.argv[1])

class Slow(tune.Trainable):
    def setup(self, config):
        with log.open("a") as lines:
            lines.write("begun\\n")
        if log.read_text().count("begun") > 1:
            time.sleep(3)

    def reset_config(self, config):
        return True

    def step(self):
        time.sleep(0.2)
        return {{"done": True, "x": 1.0}}

class Short(Searcher):
    begun, live = 0, set()

    def suggest(self, trial_id):
        if self.begun == {TRIALS}:
            return Searcher.FINISHED
        if len(self.live) == {SLOTS}:
            return None
        self.begun += 1
        self.live.add(trial_id)
        return {{"number": self.begun}}

    def on_trial_complete(self, trial_id, result=None, error=False):
        self.live.discard(trial_id)

ray.init(address="local", num_cpus={SLOTS}, include_dashboard=False, log_to_driver=False)
with tempfile.TemporaryDirectory() as scratch:
    trials = tune.with_resources(Slow, {{"cpu": 1}})
    run_trials(trials, Short(metric="x", mode="min"), FIFOScheduler(), [], print, Path(scratch))
"""


def test_an_actor_that_starts_slowly_is_kept_while_trials_are_short(tmp_path, run_on_ray):
    """Tune gives the trial another actor and ends the starting one, so it starts repeatedly."""
    run_on_ray(PROGRAM, tmp_path / "log")
    assert (tmp_path / "log").read_text().count("begun") == SLOTS


WAITING = """
import sys, tempfile, time
from pathlib import Path
import ray
from ray import tune
from ray.tune.schedulers import FIFOScheduler
from ray.tune.search import Searcher
from lkm_tune.search.controller import run_trials
from lkm_tune.search.cluster.health import LABEL

class Trial(tune.Trainable):
    def step(self):
        return {"done": True, "x": 1.0}

def held(config):
    labels = [{LABEL: f"!in({config['avoids']})"}] if config["avoids"] else None
    return tune.PlacementGroupFactory([{"CPU": 1}], bundle_label_selector=labels)

class Elsewhere(Searcher):
    ends, live = [], {}

    def suggest(self, trial_id):
        if len(self.ends) == 3:
            return Searcher.FINISHED
        if self.live:
            return None
        self.live[trial_id] = time.monotonic()
        # The second trial avoids the only node.
        return {"avoids": node if len(self.ends) == 1 else ""}

    def overdue(self):
        waits = len(self.ends) == 1
        return [one for one, since in self.live.items() if waits and time.monotonic() - since > 1]

    def on_trial_complete(self, trial_id, result=None, error=False):
        del self.live[trial_id]
        self.ends.append(bool(result))

ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False)
node = ray.nodes()[0]["NodeID"]
searcher = Elsewhere(metric="x", mode="min")
with tempfile.TemporaryDirectory() as scratch:
    trials = tune.with_resources(Trial, held)
    run_trials(
        trials, searcher, FIFOScheduler(), [], print, Path(scratch), overdue=searcher.overdue
    )
print("ends", searcher.ends)
"""


def test_an_overdue_attempt_ends_and_its_room_is_free_again(run_on_ray):
    """A trial that waits for a node that is not there; the next trial takes the one there is."""
    assert "ends [True, False, True]" in run_on_ray(WAITING)
