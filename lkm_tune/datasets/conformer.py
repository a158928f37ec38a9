"""Positions of atoms made from the bonds: ETKDGv3, relaxed by MMFF94."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.Chem import rdDistGeom, rdForceFieldHelpers

METHOD = "ETKDGv3 and MMFF94 of RDKit"

_SEED = 0x6C6B6D
_RELAXATION_STEPS = 2_000


@dataclass(frozen=True)
class Conformer:
    """One conformer of a molecule.

    Attributes:
        pos: [N, 3] positions in Å, centred; None if no conformer was found.
        relaxed: Whether MMFF94 has parameters for every atom and found a minimum.
    """

    pos: NDArray[np.float64] | None
    relaxed: bool


def conformers(molecules: Sequence[Chem.Mol]) -> list[Conformer]:
    """One conformer of each molecule with explicit hydrogens.

    Distance geometry with the torsions of crystals (ETKDGv3: Wang et al., J. Chem. Inf. Model. 60,
    2044 (2020)), then the force field MMFF94 (Halgren, J. Comput. Chem. 17, 490 (1996)). The result
    is deterministic for one order of atoms.
    """
    # RDKit releases the interpreter lock while it computes.
    with ThreadPoolExecutor() as pool:
        return list(pool.map(_conformer, molecules))


def _conformer(molecule: Chem.Mol) -> Conformer:
    molecule = Chem.Mol(molecule)
    # RDKit's type stubs lack the types of these settings.
    settings: Any = rdDistGeom.ETKDGv3()
    settings.randomSeed = _SEED
    if rdDistGeom.EmbedMolecule(molecule, settings) < 0:
        # Crowded molecules need random initial coordinates.
        settings.useRandomCoords = True
        if rdDistGeom.EmbedMolecule(molecule, settings) < 0:
            return Conformer(None, False)
    relaxed = (
        rdForceFieldHelpers.MMFFHasAllMoleculeParams(molecule)
        and rdForceFieldHelpers.MMFFOptimizeMolecule(molecule, maxIters=_RELAXATION_STEPS) == 0
    )
    pos: NDArray[np.float64] = molecule.GetConformer().GetPositions()
    return Conformer(pos - pos.mean(axis=0), relaxed)
