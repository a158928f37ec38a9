import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lkm_tune.datasets import split_molecules
from lkm_tune.datasets.split import SplitSizes, grouped_split, scaffold_split

sizes = st.integers(1, 40)


@given(n_train=sizes, n_val=sizes, n_test=st.none() | sizes, extra=st.integers(1, 30), seed=sizes)
def test_parts_have_their_sizes_and_do_not_overlap(
    n_train: int, n_val: int, n_test: int | None, extra: int, seed: int
):
    total = n_train + n_val + (n_test or 0) + extra
    split = split_molecules(total, SplitSizes(n_train, n_val, n_test), seed)
    assert (len(split.train), len(split.val)) == (n_train, n_val)
    assert len(split.test) == (n_test or extra)
    everything = np.concatenate([split.train, split.val, split.test])
    assert len(np.unique(everything)) == len(everything)
    assert everything.min() >= 0 and everything.max() < total
    if n_test is None:
        assert len(everything) == total
    for part in (split.train, split.val, split.test):
        assert np.array_equal(part, np.sort(part))


def test_the_same_seed_gives_the_same_parts_and_another_one_others():
    first, again, other = (
        split_molecules(1000, SplitSizes(300, 200, 100), seed) for seed in (5, 5, 6)
    )
    for name in ("train", "val", "test"):
        assert np.array_equal(first.part(name), again.part(name))
        assert not np.array_equal(first.part(name), other.part(name))
    # Pinned, since numpy may change its permutation: runs must stay comparable with earlier runs.
    assert first.val[:5].tolist() == [7, 9, 11, 23, 26]


@given(small=sizes, more=sizes, n_test=sizes)
def test_a_larger_training_part_contains_the_smaller(small: int, more: int, n_test: int):
    little = split_molecules(150, SplitSizes(small, 20, n_test), seed=1)
    much = split_molecules(150, SplitSizes(small + more, 20, n_test), seed=1)
    assert set(little.train) < set(much.train)
    assert np.array_equal(little.val, much.val)
    assert np.array_equal(little.test, much.test)


def test_all_that_is_left_contains_any_smaller_test_part():
    some, rest = (
        split_molecules(1000, SplitSizes(300, 200, n_test), seed=5) for n_test in (100, None)
    )
    assert np.array_equal(some.train, rest.train) and np.array_equal(some.val, rest.val)
    assert set(some.test) < set(rest.test)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ((10, (6, 3, 2), 0), r"6 \+ 3 \+ 2 \(n_test\) = 11 > 10"),
        ((10, (6, 4, None), 0), r"6 \+ 4 \+ 1 \(n_test: the rest\) = 11 > 10"),
        ((10, (0, 4, 1), 0), "n_train must be at least 1, but is 0"),
        ((10, (1, -4, 1), 0), "n_val must be at least 1, but is -4"),
        ((10, (1, 1, 0), 0), "n_test must be at least 1, but is 0"),
        ((10, (1, 1, 1), -1), "must not be negative, but is -1"),
    ],
)
def test_impossible_sizes_are_refused_with_the_numbers(
    asked: tuple[int, tuple[int, int, int | None], int], message: str
):
    n_molecules, sizes, seed = asked
    with pytest.raises(ValueError, match=message):
        split_molecules(n_molecules, SplitSizes(*sizes), seed)


def test_the_tightest_split_is_possible():
    split = split_molecules(10, SplitSizes(6, 3, 1), seed=0)
    assert sorted([*split.train, *split.val, *split.test]) == list(range(10))


@given(
    sizes=st.lists(st.integers(1, 60), min_size=2, max_size=12),
    singles=st.integers(12, 60),
    seed=st.integers(0, 50),
)
def test_groups_stay_whole_and_all_that_are_left_are_tested(
    sizes: list[int], singles: int, seed: int
):
    groups = np.repeat(np.arange(len(sizes) + singles), [*sizes, *singles * [1]])
    for split in (grouped_split, scaffold_split):
        found = split(groups, SplitSizes(6, 4, None), seed)
        parts = [found.train, found.val, found.test]
        assert [len(part) for part in parts] == [6, 4, len(groups) - 10]
        of_parts = [set(groups[part]) for part in parts]
        assert sum(map(len, of_parts)) == len(sizes) + singles


def test_a_large_scaffold_that_training_has_no_room_for_is_tested():
    # As in a table of small solvents: half of them have no ring.
    groups = np.concatenate([np.zeros(322, np.int64), np.arange(1, 321)])
    found = scaffold_split(groups, SplitSizes(100, 50, None), 0)
    assert (len(found.train), len(found.val), len(found.test)) == (100, 50, 492)


def test_one_scaffold_cannot_be_split():
    with pytest.raises(ValueError, match=r"20 \+ 10 \+ 1 is impossible"):
        scaffold_split(np.zeros(60, np.int64), SplitSizes(20, 10, None), 0)
