"""The file of one training run: valid files, and all errors of invalid files."""

from pathlib import Path

import pytest

from lkm_tune.study import Catalog, RunConfig, StudyError, TrainingPlan, load_run_config

CATALOG = Catalog(models={"pamnet": {"hidden": 128, "depth": 6}}, tasks=("qm9/homo", "qm9/U0"))


def test_overrides_come_last(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text("model: pamnet\ntask: qm9/u0\ngamma: 1e-2\ntraining: {epochs: 5, lr: 1e-3}\n")
    config = load_run_config(path, CATALOG, ["training.epochs=7", "model_settings.depth=2"])
    assert config == RunConfig(
        model="pamnet",
        task="qm9/U0",
        model_settings={"depth": 2},
        gamma=0.01,
        training=TrainingPlan(epochs=7, lr=1e-3),
    )


def test_no_file_is_needed():
    config = load_run_config(None, CATALOG, ["model=pamnet", "task=qm9/homo"])
    assert config == RunConfig(model="pamnet", task="qm9/homo")
    with pytest.raises(StudyError, match="^command line: task: is missing$"):
        load_run_config(None, CATALOG, ["model=pamnet"])


BAD = {
    "types and keys": (
        "model: pamnet\ntask: qm9/homo\ngamma: -1\nseed: x\ntraining:\n  epoch: 3\n",
        [
            "run.yaml:3: gamma: must be at least 0, got -1",
            'run.yaml:4: seed: must be a whole number, got "x"',
            "run.yaml:6: training.epoch: unknown key, got 3; valid: epochs, batch_size, lr, "
            "warmup_epochs, weight_decay, ema_decay, clip_norm, divergence_factor, "
            "eval_batch_size, micro_batch_size, force_weight, judged_by, matmul, "
            "deterministic, capture (did you mean epochs?)",
        ],
    ),
    "names": (
        "model: pamnet\ntask: qm9/lumo\nmodel_settings: {width: 3}\n",
        [
            'run.yaml:2: task: unknown task, got "qm9/lumo"; valid: qm9/homo, qm9/U0 '
            "(did you mean qm9/homo?)",
            "run.yaml:3: model_settings.width: unknown setting of pamnet, got 3; "
            "valid: hidden, depth (did you mean depth?)",
        ],
    ),
    "no mapping": (
        "- pamnet\n",
        [
            "run.yaml:1: must be a mapping of keys to values, beginning with `model: ...`, "
            'got ["pamnet"]'
        ],
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_every_error_is_named(tmp_path, monkeypatch, case):
    monkeypatch.chdir(tmp_path)
    text, expected = BAD[case]
    (tmp_path / "run.yaml").write_text(text)
    with pytest.raises(StudyError) as caught:
        load_run_config(Path("run.yaml"), CATALOG)
    assert [str(problem) for problem in caught.value.errors] == expected
