"""Arrays of search trials: the trials of a batch that can train as one program.

The sampler suggests a batch of trials before any of them trains. Those that differ in `APART` alone
form arrays. One depth for a whole array, from the suggestion for its first trial, would need fewer
trials in advance, but the first trials of a search would then have few different depths: such
searches were worse (docs/benchmarks.md).
"""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

from lkm_tune.study import APART, Choice, FloatRange, Study, TrialSpec

PARTS = 3
"""A batch is at most this part of a search, so that most suggestions rest on results."""


def batch_size(study: Study, size: int) -> int:
    """How many trials the sampler suggests at a time, for arrays of at most `size` trials.

    Returns:
        1 if a batch would hardly have two trials that can train together.
    """
    kinds = 1
    for name, range_ in study.space.items():
        if name in APART:
            continue
        if isinstance(range_, FloatRange):
            return 1
        kinds *= len(range_.values) if isinstance(range_, Choice) else range_.high - range_.low + 1
    batch = min(size * kinds, study.search.trials // PARTS)
    return batch if batch >= 2 * kinds else 1


def divided(
    batch: Sequence[TrialSpec], size: Callable[[TrialSpec], int]
) -> list[tuple[TrialSpec, ...]]:
    """The arrays of a batch: trials that differ in `APART` alone, in parts of about equal size.

    Args:
        batch: trials of one search.
        size: the largest array of trials like a trial.
    """
    alike: dict[tuple[object, ...], list[TrialSpec]] = {}
    for spec in batch:
        shared = tuple(value for name, value in spec.settings.items() if name not in APART)
        alike.setdefault(shared, []).append(spec)
    arrays = []
    for specs in alike.values():
        arrays += in_parts(specs, math.ceil(len(specs) / size(specs[0])))
    return arrays


def in_parts(specs: Sequence[TrialSpec], parts: int) -> list[tuple[TrialSpec, ...]]:
    """Trials in parts of about equal size, in their order."""
    ends = [len(specs) * k // parts for k in range(parts + 1)]
    return [tuple(specs[a:b]) for a, b in pairwise(ends)]
