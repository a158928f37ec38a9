"""QM9: its place, its reader, and the checks of its units.

Ramakrishnan, Dral, Rupp and von Lilienfeld, "Quantum chemistry structures and properties of 134
kilo molecules", Scientific Data 1, 140022 (2014).
"""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np

from lkm_tune.datasets.archive import check_array, read_arrays
from lkm_tune.datasets.dataset import BOHR, HARTREE_IN_MEV, AtomReferences, Dataset, Target, Task
from lkm_tune.datasets.identity import formula_of
from lkm_tune.datasets.molecules import (
    DataError,
    FloatArray,
    Molecules,
    free_atoms,
    offsets_of,
    single_precision,
    sum_per_molecule,
)
from lkm_tune.datasets.published import locate
from lkm_tune.datasets.qm9_archive import PUBLISHED

SAMPLE = Path(__file__).parent / "sample" / "qm9.npz"
"""The 3,000 molecules of QM9 in the package."""

# Energies of the free atoms at B3LYP/6-31G(2df,p), Hartree, published with QM9 (`atomref.txt`).
_U0 = ((1, -0.500273), (6, -37.846772), (7, -54.583861), (8, -75.064579), (9, -99.718730))
_U = ((1, -0.498857), (6, -37.845355), (7, -54.582445), (8, -75.063163), (9, -99.717314))
_H = ((1, -0.497912), (6, -37.844411), (7, -54.581501), (8, -75.062219), (9, -99.716370))
_G = ((1, -0.510927), (6, -37.861317), (7, -54.598897), (8, -75.079532), (9, -99.733544))


def _energy(name: str, meaning: str, references: AtomReferences = ()) -> Target:
    """A target in Hartree in the file, with errors in meV."""
    return Target(name, meaning, "Hartree", "meV", HARTREE_IN_MEV, references)


_TARGETS = (
    Target("mu", "dipole moment", "D", "D"),
    Target("alpha", "isotropic polarisability", "a0³", "a0³"),
    _energy("homo", "energy of the highest occupied orbital"),
    _energy("lumo", "energy of the lowest unoccupied orbital"),
    _energy("gap", "gap between the two"),
    Target("r2", "electronic spatial extent", "a0²", "a0²"),
    _energy("zpve", "zero-point vibrational energy"),
    _energy("U0", "internal energy at 0 K, less its atoms", _U0),
    _energy("U", "internal energy at 298.15 K, less its atoms", _U),
    _energy("H", "enthalpy at 298.15 K, less its atoms", _H),
    _energy("G", "free energy at 298.15 K, less its atoms", _G),
    Target("Cv", "heat capacity at 298.15 K", "cal/mol/K", "cal/mol/K"),
)
QM9_TARGETS: Mapping[str, Target] = MappingProxyType({target.name: target for target in _TARGETS})
"""The twelve properties of QM9 by name."""
TARGETS = tuple(QM9_TARGETS)
ELEMENTS = (1, 6, 7, 8, 9)

_ANGSTROM_IN_BOHR = 1 / BOHR

# Known values by gdb index: methane, water, and glyoxylamide, which is in the sample. The last two
# check the unit of dipole moments, which no other rule checks.
_KNOWN = {
    1: {
        "mu": 0.0, "alpha": 13.21, "homo": -0.3877, "lumo": 0.1171, "gap": 0.5048, "r2": 35.3641,
        "zpve": 0.044749, "U0": -40.47893, "U": -40.476062, "H": -40.475117, "G": -40.498597,
        "Cv": 6.469,
    },
    3: {"mu": 1.8511, "U0": -76.404702},
    62: {"mu": 5.1668, "U0": -283.16874},
}  # fmt: skip


def read_qm9(path: Path, unchecked: bool = False) -> Molecules:
    """Reads and checks QM9 molecules.

    Args:
        path: An .npz file with `index` (gdb numbers), `n_atoms`, `z` and `pos` (Å; atoms of all
            molecules one after the other) and the twelve properties in the units of the
            publication: Hartree, Debye, bohr³, bohr², cal/mol/K.
        unchecked: Whether to skip the rules on units.

    Returns:
        The molecules, with total energies.

    Raises:
        DataError: The file cannot be read, arrays are missing or do not fit, numbers are not
            finite, elements are not QM9's, or values cannot be in the units above.
    """
    raw = read_arrays(path, ("index", "n_atoms", "z", "pos", *TARGETS))
    for name in ("index", "n_atoms", "z"):
        check_array(path, name, raw[name], "iu", -1)
    check_array(path, "pos", raw["pos"], "f", -1, 3)
    for name in TARGETS:
        check_array(path, name, raw[name], "fiu", -1)
    unknown = sorted({int(z) for z in np.unique(raw["z"])} - set(ELEMENTS))
    if unknown:
        raise DataError(f"{path}: z must be among QM9's elements {ELEMENTS}, but has {unknown}")
    n_atoms = raw["n_atoms"].astype(np.int64)
    molecules = Molecules(
        name=str(path),
        ids=raw["index"].astype(np.int64),
        n_atoms=n_atoms,
        z=raw["z"].astype(np.uint8),
        pos=single_precision(raw["pos"], n_atoms),
        targets={name: raw[name].astype(np.float64) for name in TARGETS},
    )
    check_order(molecules)
    if not unchecked:
        check_units(molecules)
    return molecules


def check_order(molecules: Molecules) -> None:
    """Checks that gdb indices belong to their published molecules.

    It compares the 3,000 molecules of the package's sample, which comes from the published table.

    Raises:
        DataError: A molecule has another composition than its index.
    """
    sample = read_arrays(SAMPLE, ("index", "n_atoms", "z"))
    begin = offsets_of(sample["n_atoms"])
    row_of = {int(index): row for row, index in enumerate(sample["index"])}
    for position, index in enumerate(molecules.ids.tolist()):
        row = row_of.get(index)
        if row is None:
            continue
        published = formula_of(sample["z"][begin[row] : begin[row + 1]])
        atoms = molecules.offsets[position : position + 2]
        found = formula_of(molecules.z[atoms[0] : atoms[1]])
        if found != published:
            raise DataError(
                f"{molecules.name}: gdb index {index} must be {published}, as published, but is "
                f"{found}. Is the table in another order, or `index` no gdb number (from 1)?"
            )


def check_units(molecules: Molecules) -> None:
    """Checks that coordinates and properties are in the published units of QM9.

    Every rule holds clearly for each of the 130,831 molecules of QM9, and for few or none of them
    if the property is in another usual unit.

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
    """Each rule in words, with its value per molecule and the valid range.

    H − U = RT holds for an ideal gas. The electronic extent is the extent of electrons on the
    nuclei, Σ Z |r − c|², plus a few bohr² for the spread of each electron; this relates r2 to Å.
    """
    t, n = molecules.targets, molecules.n_atoms
    z = molecules.z.astype(np.float64)
    electrons = sum_per_molecule(z, molecules.offsets)
    pos = np.asarray(molecules.pos, dtype=np.float64) * _ANGSTROM_IN_BOHR
    weighted = sum_per_molecule(z[:, None] * pos, molecules.offsets)
    pos -= np.repeat(weighted / electrons[:, None], n, axis=0)
    on_nuclei = sum_per_molecule(z * (pos**2).sum(axis=1), molecules.offsets)
    references = QM9_TARGETS["U0"].references
    binding = t["U0"] - free_atoms(references, molecules.z, molecules.offsets)
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


def _locate(source: str, cache: Path | None) -> Path:
    if source == "sample":
        return SAMPLE
    try:
        return locate(PUBLISHED, source, cache)
    except DataError as error:
        raise DataError(
            f"{error}. Or take the 3,000 molecules of the package, with the source `sample`"
        ) from error


QM9 = Dataset(
    name="qm9",
    tasks=tuple(Task(f"qm9/{target.name}", "qm9", (target,)) for target in _TARGETS),
    locate=_locate,
    read=read_qm9,
    sizes=lambda source: (1_000, 500) if source == "sample" else (110_000, 10_000),
)
"""All of QM9, or the sample."""
