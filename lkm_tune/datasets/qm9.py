"""QM9: where it lies, how it is read, and how its units are known to be right.

Ramakrishnan, Dral, Rupp and von Lilienfeld, "Quantum chemistry structures and properties of 134
kilo molecules", Scientific Data 1, 140022 (2014).
"""

from pathlib import Path

import numpy as np

from lkm_tune.datasets.archive import read_arrays
from lkm_tune.datasets.molecules import Array, DataError, FloatArray, Molecules, sum_per_molecule
from lkm_tune.datasets.tasks import QM9_TARGETS

SAMPLE = Path(__file__).parent / "sample" / "qm9.npz"
"""3,000 molecules of QM9 that come with the package."""

TARGETS = tuple(QM9_TARGETS)
ELEMENTS = (1, 6, 7, 8, 9)

_ANGSTROM_IN_BOHR = 1 / 0.529177210903

# What some molecules have by gdb index: methane, water, and glyoxylamide, which is in the sample.
# The last two are there for their dipole moments, whose unit no other rule can tell.
_KNOWN = {
    1: {
        "mu": 0.0, "alpha": 13.21, "homo": -0.3877, "lumo": 0.1171, "gap": 0.5048, "r2": 35.3641,
        "zpve": 0.044749, "U0": -40.47893, "U": -40.476062, "H": -40.475117, "G": -40.498597,
        "Cv": 6.469,
    },
    3: {"mu": 1.8511, "U0": -76.404702},
    62: {"mu": 5.1668, "U0": -283.16874},
}  # fmt: skip


def read_qm9(path: Path) -> Molecules:
    """Reads and checks QM9 molecules.

    Args:
        path: An .npz file with `index` (gdb numbers), `n_atoms`, `z` and `pos` (Å; atoms of all
            molecules one after the other) and the twelve properties in the units of the
            publication: Hartree, Debye, bohr³, bohr², cal/mol/K.

    Returns:
        The molecules, energies still with their atoms.

    Raises:
        DataError: The file cannot be read, arrays are missing or do not fit, numbers are not
            finite, elements are not QM9's, or values cannot be in the units above.
    """
    raw = read_arrays(path, ("index", "n_atoms", "z", "pos", *TARGETS))
    for name, kinds in {"index": "iu", "n_atoms": "iu", "z": "iu", "pos": "f"}.items():
        _check_kind(path, name, raw[name], kinds)
    for name in TARGETS:
        _check_kind(path, name, raw[name], "fiu")
    unknown = sorted({int(z) for z in np.unique(raw["z"])} - set(ELEMENTS))
    if unknown:
        raise DataError(f"{path}: z must be among QM9's elements {ELEMENTS}, but has {unknown}")
    molecules = Molecules(
        name=str(path),
        ids=raw["index"].astype(np.int64),
        n_atoms=raw["n_atoms"].astype(np.int64),
        z=raw["z"].astype(np.uint8),
        pos=raw["pos"].astype(np.float32),
        targets={name: raw[name].astype(np.float64) for name in TARGETS},
    )
    check_units(molecules)
    return molecules


def _check_kind(path: Path, name: str, array: Array, kinds: str) -> None:
    if array.dtype.kind not in kinds:
        wanted = "real" if "f" in kinds else "whole"
        raise DataError(f"{path}: {name} must hold {wanted} numbers, but holds {array.dtype}")
    if name != "pos" and array.ndim != 1:
        raise DataError(f"{path}: {name} must have one dimension, but its shape is {array.shape}")


def check_units(molecules: Molecules) -> None:
    """Checks that coordinates and properties are in the units that QM9 is published in.

    Every rule holds for each of the 130,831 molecules of QM9, with room to spare, and for none
    or few of them once the property is in another usual unit.

    Raises:
        DataError: A rule does not hold; the message names it, the molecule and the value.
    """
    for rule, values, low, high in _rules(molecules):
        outside = np.flatnonzero((values < low) | (values > high))
        if len(outside):
            first = outside[0]
            raise DataError(
                f"{molecules.name}: {rule} must lie in {low:g}..{high:g}, but does not in "
                f"{len(outside)} of {len(molecules)} molecules; the first is gdb index "
                f"{molecules.ids[first]} with {values[first]:g}. Is a unit wrong?"
            )
    for index, properties in _KNOWN.items():
        for position in np.flatnonzero(molecules.ids == index):
            for name, known in properties.items():
                value = float(molecules.targets[name][position])
                if abs(value - known) > 1e-4 * max(1.0, abs(known)):
                    raise DataError(
                        f"{molecules.name}: gdb index {index} must have {name} = {known}, "
                        f"but has {value:g}. Is a unit wrong?"
                    )


def _rules(molecules: Molecules) -> list[tuple[str, FloatArray, float, float]]:
    """Each rule in words with its value per molecule and the range that is valid.

    H − U = RT holds for an ideal gas. The electronic extent is that of electrons sitting on the
    nuclei, Σ Z |r − c|², and some bohr² for each electron's own spread; this ties r2 to Å.
    """
    t, n = molecules.targets, molecules.n_atoms
    z = molecules.z.astype(np.float64)
    electrons = sum_per_molecule(z, molecules.offsets)
    pos = np.asarray(molecules.pos, dtype=np.float64) * _ANGSTROM_IN_BOHR
    weighted = sum_per_molecule(z[:, None] * pos, molecules.offsets)
    pos -= np.repeat(weighted / electrons[:, None], n, axis=0)
    on_nuclei = sum_per_molecule(z * (pos**2).sum(axis=1), molecules.offsets)
    free_atoms = np.zeros(max(ELEMENTS) + 1)
    for element, energy in QM9_TARGETS["U0"].references:
        free_atoms[element] = energy
    binding = t["U0"] - sum_per_molecule(free_atoms[molecules.z], molecules.offsets)
    return [
        ("mu (D)", t["mu"], 0, 40),
        ("alpha per atom (bohr³)", t["alpha"] / n, 1.9, 14),
        ("homo (Hartree)", t["homo"], -0.6, -0.08),
        ("gap (Hartree)", t["gap"], 0.01, 0.65),
        ("gap − (lumo − homo) (Hartree)", t["gap"] - t["lumo"] + t["homo"], -2e-4, 2e-4),
        ("zpve per atom (Hartree)", t["zpve"] / n, 0.002, 0.012),
        ("Cv per atom (cal/mol/K)", t["Cv"] / n, 1.0, 3.8),
        ("U0 less its free atoms, per atom (Hartree)", binding / n, -0.3, -0.05),
        ("U − U0 (Hartree)", t["U"] - t["U0"], 0.001, 0.02),
        ("H − U (Hartree, RT = 0.000944)", t["H"] - t["U"], 0.00092, 0.00097),
        ("H − G (Hartree)", t["H"] - t["G"], 0.01, 0.08),
        ("(r2 − Σ Z |r − c|²) / Σ Z (bohr², r in Å)", (t["r2"] - on_nuclei) / electrons, 0.9, 3.2),
    ]
