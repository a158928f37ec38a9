"""The check of a file's molecule by its composition."""

from collections.abc import Mapping

import numpy as np

from lkm_tune.datasets.molecules import Array, DataError, Molecules
from lkm_tune.elements import symbol_of


def formula_of(z: Array) -> str:
    """The formula of atomic numbers [A] in Hill's order: carbon, hydrogen, then by letters."""
    numbers, counts = np.unique(z, return_counts=True)
    amounts = {symbol_of(int(n)): int(c) for n, c in zip(numbers, counts, strict=True)}
    first = [symbol for symbol in ("C", "H") if "C" in amounts and symbol in amounts]
    order = first + sorted(set(amounts) - set(first))
    return "".join(f"{s}{amounts[s] if amounts[s] > 1 else ''}" for s in order)


def check_formula(molecules: Molecules, task: str, formula: str, known: Mapping[str, str]) -> None:
    """Checks that every frame has the molecule of its dataset.

    Args:
        molecules: The frames.
        task: Name of the dataset.
        formula: Formula of its molecule.
        known: Formulas of other datasets by name, for the message.

    Raises:
        DataError: A frame has another formula.
    """
    offsets = molecules.offsets
    frames = list(range(len(molecules)))
    if (molecules.n_atoms == molecules.n_atoms[0]).all():  # The usual case, all frames at once.
        z = np.sort(molecules.z.reshape(len(molecules), -1), axis=1)
        frames = [0, *np.flatnonzero((z != z[0]).any(axis=1)).tolist()]
    for frame in frames:
        found = formula_of(molecules.z[offsets[frame] : offsets[frame + 1]])
        if found != formula:
            others = [name for name, its in known.items() if its == found]
            meant = f"; {' and '.join(others)} have this molecule" if others else ""
            size = molecules.n_atoms[frame]
            raise DataError(
                f"{molecules.name}: {task} is the molecule {formula}, but the frame with the id "
                f"{molecules.ids[frame]} is {found} ({size} atoms){meant}. A file of another "
                "molecule needs its own name; give the path of the right file as data.source"
            )
