"""The changes that continue a study, and refused changes: the table is the specification."""

from collections.abc import Callable

import pytest

from lkm_tune.study import Change, DataPlan, Study, compare, digest, study_from_dict, study_to_dict

OLD = """\
name: s
models: {pamnet: {hidden: 64}, mxmnet: {}}
tasks: [qm9/homo, qm9/gap]
space:
  gamma: {type: float, low: 1e-4, high: 100, log: true}
search: {trials: 8, control: false}
curve: {gammas: [0, 0.01, 1], seeds: [1, 2]}
"""
LR = "{type: float, low: 1e-4, high: 1}"
LR_NOW = '{"type": "float", "low": 0.0001, "high": 1.0, "log": false}'

CHANGES = {
    "search.trials=20": ("extends", "search.trials: was 8, is 20 now"),
    "search.control=true": ("extends", "search.control: was false, is true now"),
    "curve.seeds=[1, 2, 3, 4]": ("extends", "curve.seeds: 2 seeds more (3, 4)"),
    "curve.gammas=[0, 0.01, 0.1, 1]": ("extends", "curve.gammas: 1 γ more (0.1)"),
    "models.dimenet++.hidden=8": ("extends", "models: 1 model more (dimenet++)"),
    "tasks=[qm9/homo, qm9/gap, qm9/mu]": ("extends", "tasks: 1 task more (qm9/mu)"),
    "search.time_limit=2": ("free", "search.time_limit: was nothing, is 2.0 now"),
    "search.max_concurrent=1": ("free", "search.max_concurrent: was nothing, is 1 now"),
    "resources.gpu=0.5": ("free", "resources.gpu: was 0.0, is 0.5 now"),
    "curve.until=decided": ("free", 'curve.until: was nothing, is "decided" now'),
    "curve.max_seeds=40": ("free", "curve.max_seeds: was 12, is 40 now"),
    "curve.guarantee=true": ("free", "curve.guarantee: was false, is true now"),
    "report.margin=0.05": ("free", "report.margin: was 0.02, is 0.05 now"),
    "curve.seeds=4": ("extends", "curve.seeds: 2 seeds more (3, 4)"),
    "curve.diagnostics=true": ("free", "curve.diagnostics: was false, is true now"),
    "tracking.system_metrics=true": ("free", "tracking.system_metrics: was false, is true now"),
    "search.trials=4": ("mixes", "search.trials: was 8, is 4 now"),
    "search.sampler=random": ("mixes", 'search.sampler: was "tpe", is "random" now'),
    "search.startup_trials=5": ("mixes", "search.startup_trials: was 10, is 5 now"),
    "search.grace_period=5": ("mixes", "search.grace_period: was 10, is 5 now"),
    "search.reduction_factor=4": ("mixes", "search.reduction_factor: was 3, is 4 now"),
    "space.gamma.high=10": ("mixes", "space.gamma.high: was 100.0, is 10.0 now"),
    f"space.lr={LR}": ("mixes", f"space.lr: was absent, is {LR_NOW} now"),
    "models.pamnet.hidden=32": ("mixes", "models.pamnet.hidden: was 64, is 32 now"),
    "models.pamnet={}": ("mixes", "models.pamnet.hidden: was 64, is absent now"),
    "data.n_train=500": ("mixes", "data.n_train: was nothing, is 500 now"),
    "tasks.qm9/gap.n_train=500": ("mixes", "tasks.qm9/gap.n_train: was nothing, is 500 now"),
    "training.epochs=100": ("mixes", "training.epochs: was 150, is 100 now"),
    "lkm.distance=l1": ("mixes", 'lkm.distance: was "l2", is "l1" now'),
    "seed=9": ("mixes", "seed: was 0, is 9 now"),
    "curve.seeds=[1]": (
        "mixes",
        "curve.seeds: 1 seed removed (2), but results exist",
    ),
    "tasks=[qm9/gap]": (
        "mixes",
        "tasks: 1 task removed (qm9/homo), but results exist",
    ),
    "models=[mxmnet]": (
        "mixes",
        "models: 1 model removed (pamnet), but results exist",
    ),
}


@pytest.mark.parametrize("override", CHANGES)
def test_change(override: str, load: Callable[..., Study]) -> None:
    kind, sentence = CHANGES[override]
    assert compare(load(OLD), load(OLD, override)) == Change(**{kind: (sentence,)})


def test_order_is_no_change(load: Callable[..., Study]) -> None:
    new = load(
        OLD,
        "models={mxmnet: {}, pamnet: {hidden: 64}}",
        "tasks=[qm9/gap, qm9/homo]",
        "curve.seeds=[2, 1]",
    )
    assert compare(load(OLD), new) == Change()


def test_where_a_file_says_how_many_samples_is_no_change(load: Callable[..., Study]) -> None:
    """The usual number, the same number for all tasks, and the same number at each task."""
    usual = load(OLD, usual_data=lambda task, plan: plan.over(DataPlan(n_train=90, n_val=9)))
    common = load(OLD, "data.n_train=90", "data.n_val=9")
    each = load(
        OLD, *(f"tasks.qm9/{t}.{k}" for t in ("homo", "gap") for k in ("n_train=90", "n_val=9"))
    )
    assert compare(usual, common) == compare(common, each) == Change()
    assert [cell.n_train for cell in each.cells] == [90] * 4


def test_values_to_compare_may_be_added_and_none_taken_away(load: Callable[..., Study]) -> None:
    few = load(OLD, "compare={batch_size: [16, 32]}")
    more = load(OLD, "compare={batch_size: [32, 8, 16]}")
    assert compare(few, more) == Change(
        extends=("compare.batch_size: 1 value of batch_size more (8)",)
    )
    assert len(more.cells) == 3 * len(load(OLD).cells)
    both = (
        "compare={batch_size: [16, 32], clip_norm: [1]}",
        "compare={clip_norm: [1], batch_size: [32, 16]}",
    )
    one, other = (load(OLD, text) for text in both)
    assert compare(one, other) == Change()
    assert {cell.key for cell in one.cells} == {cell.key for cell in other.cells}
    taken = compare(more, few)
    assert taken.mixes and not taken.extends
    other = compare(few, load(OLD, "compare={batch_size: [16, 32], clip_norm: [1]}"))
    assert [text.partition(":")[0] for text in other.mixes] == ["compare.clip_norm"]


def test_a_swap_takes_away_and_adds(load: Callable[..., Study]) -> None:
    change = compare(load(OLD), load(OLD, "curve.gammas=[0, 0.02, 1]"))
    assert (len(change.extends), len(change.mixes)) == (1, 1)


def test_a_study_survives_being_stored(load: Callable[..., Study]) -> None:
    study = load(OLD, "space.layers={type: choice, values: [both, local]}", "resources.gpu=0.5")
    again = study_from_dict(study_to_dict(study))
    assert again == study
    assert digest(again) == digest(study)
    assert list(again.models) == ["pamnet", "mxmnet"]


def test_digest_is_twelve_digits_of_everything(load: Callable[..., Study]) -> None:
    digests = {digest(load(OLD, override)) for override in ("seed=0", *CHANGES)}
    assert len(digests) == len(CHANGES) + 1
    assert all(len(bytes.fromhex(one)) == 6 for one in digests)
