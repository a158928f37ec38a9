"""The structure of an RDKit molecule for networks: elements (with hydrogens), bonds, positions."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.Chem.MolStandardize import rdMolStandardize
from rdkit.Chem.Scaffolds import MurckoScaffold

from lkm_tune.datasets.cleaning import Cleaning
from lkm_tune.datasets.molecules import MOST_ATOMS

LONGEST_SMILES = 20_000
"""Characters of a SMILES; a molecule of `MOST_ATOMS` atoms needs fewer."""

MAPS, ISOTOPES = "atom maps", "isotopes"
FRAGMENTS, CHARGES = "smaller fragments", "charges"


@dataclass(frozen=True)
class Structure:
    """The structure of a molecule.

    Attributes:
        molecule: RDKit molecule with hydrogens as atoms, without atom maps and isotopes.
        pos: [N, 3] positions in Å, if the molecule had positions.
        z: Atomic numbers.
        pairs: Atoms of each bond.
        graph: A text that is equal for equal graphs of elements and bonds.
        stereo: A text that differs between stereoisomers of one graph; empty if unknown.
        scaffold: Bemis–Murcko scaffold, as SMILES.
        dropped: The removed features, among the four constants above.
        made: Whether the positions are a computed conformer.
    """

    molecule: Chem.Mol = field(compare=False)
    pos: NDArray[np.float64] | None = field(compare=False)
    z: tuple[int, ...]
    pairs: tuple[tuple[int, int], ...]
    graph: str
    stereo: str
    scaffold: str
    dropped: tuple[str, ...] = ()
    made: bool = False


@dataclass(frozen=True)
class Usable:
    """A usable entry of a file.

    Attributes:
        entry: Its index in the file, from 0.
        name: Its name in messages, `line 3`.
        shown: Its text.
        found: Its molecule.
        values: One number per target.
    """

    entry: int
    name: str
    shown: str
    found: Structure
    values: tuple[float, ...] = ()


class UnusableError(Exception):
    """The reason why a molecule is unusable.

    Attributes:
        kind: The kind of the reason, in a few words.
    """

    def __init__(self, kind: str, message: str) -> None:
        """Keeps both."""
        super().__init__(message)
        self.kind = kind


def parse(text: str) -> Chem.Mol:
    """The molecule of a SMILES.

    Raises:
        UnusableError: The SMILES is invalid.
    """
    if len(text) > LONGEST_SMILES:
        shown = f"has {len(text):,} characters, but a SMILES must have at most {LONGEST_SMILES:,}"
        raise UnusableError("too long", shown)
    molecule = Chem.MolFromSmiles(text) if text else None
    if molecule is None or molecule.GetNumAtoms() == 0:
        raise UnusableError("no SMILES", "is no SMILES that RDKit understands")
    return molecule


def structure(molecule: Chem.Mol, cleaning: Cleaning) -> Structure:
    """The structure of a molecule; hydrogens become atoms.

    Bond orders, stereochemistry and charges of single atoms are not in the graph.

    Args:
        molecule: A molecule with positions of all atoms (including hydrogens), or without
            positions.
        cleaning: The choices for charges and fragments.

    Raises:
        UnusableError: The molecule is charged or has several fragments, and `cleaning` refuses it;
            or it is too large, or has an atom of no element or without a position.
    """
    dropped: list[str] = []
    if cleaning.conformer and molecule.GetNumConformers():
        molecule = Chem.RemoveHs(molecule)
        molecule.RemoveAllConformers()
    molecule = _unlabelled(molecule, dropped)
    molecule = _one_fragment(molecule, cleaning, dropped)
    molecule = _neutral(molecule, cleaning, dropped)
    explicit = Chem.AddHs(molecule) if molecule.GetNumAtoms() <= MOST_ATOMS else molecule
    if explicit.GetNumAtoms() > MOST_ATOMS:
        counted = f"has {explicit.GetNumAtoms():,} atoms"
        raise UnusableError("too large", f"must have at most {MOST_ATOMS:,} atoms, but {counted}")
    placed = molecule.GetNumConformers() > 0
    if placed and explicit.GetNumAtoms() > molecule.GetNumAtoms():
        raise UnusableError("without positions of hydrogens", "lacks positions of its hydrogens")
    z = tuple(atom.GetAtomicNum() for atom in explicit.GetAtoms())
    if min(z) == 0:
        raise UnusableError("an atom of no element", "has an atom of no element")
    pairs = tuple((bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in explicit.GetBonds())
    bare = molecule
    if placed:
        # Hydrogens of a drawing are already atoms; wrong bonds stay unchanged.
        bare = Chem.RemoveHs(molecule, sanitize=False)
        bare.UpdatePropertyCache(strict=False)
        Chem.FastFindRings(bare)
    flat, isomeric = Chem.MolToSmiles(bare, isomericSmiles=False), Chem.MolToSmiles(bare)
    return Structure(
        molecule=explicit,
        pos=_centred(explicit) if placed else None,
        z=z,
        pairs=pairs,
        graph=graph_text(z, pairs),
        stereo="" if isomeric == flat else isomeric,
        scaffold=MurckoScaffold.MurckoScaffoldSmiles(mol=bare),
        dropped=tuple(dropped),
    )


def _centred(molecule: Chem.Mol) -> NDArray[np.float64]:
    pos: NDArray[np.float64] = molecule.GetConformer().GetPositions()
    centred: NDArray[np.float64] = pos - pos.mean(axis=0)
    return centred


def graph_text(z: Iterable[int], pairs: Iterable[tuple[int, int]]) -> str:
    """One text for every numbering of the atoms of a graph of elements and bonds."""
    drawn = Chem.RWMol()
    for number in z:
        atom = Chem.Atom(number)
        atom.SetNoImplicit(True)
        drawn.AddAtom(atom)
    for first, second in pairs:
        drawn.AddBond(first, second, Chem.BondType.SINGLE)
    return str(Chem.MolToSmiles(drawn))


def _unlabelled(molecule: Chem.Mol, dropped: list[str]) -> Chem.Mol:
    """The molecule without atom maps and isotopes, which networks ignore."""
    maps = any(atom.GetAtomMapNum() for atom in molecule.GetAtoms())
    isotopes = any(atom.GetIsotope() for atom in molecule.GetAtoms() if atom.GetAtomicNum())
    if not (maps or isotopes):
        return molecule
    dropped += [name for name, there in ((MAPS, maps), (ISOTOPES, isotopes)) if there]
    bare = Chem.Mol(molecule)
    for atom in bare.GetAtoms():
        atom.SetAtomMapNum(0)
        atom.SetIsotope(0)
    if not bare.GetNumConformers():
        # Labelled hydrogens were separate atoms; without labels, some centres are no longer chiral.
        bare = Chem.RemoveHs(bare)
    Chem.AssignStereochemistry(bare, cleanIt=True, force=True)
    return bare


def _one_fragment(molecule: Chem.Mol, cleaning: Cleaning, dropped: list[str]) -> Chem.Mol:
    fragments = len(Chem.GetMolFrags(molecule))
    if fragments > 1 and cleaning.fragments == "keep" and cleaning.conformer:
        raise UnusableError(
            "several fragments",
            f"has {fragments} fragments, whose places beside each other no conformer tells: "
            "data.conformer needs data.fragments: largest",
        )
    if fragments == 1 or cleaning.fragments == "keep":
        return molecule
    if cleaning.fragments == "refuse":
        raise UnusableError(
            "several fragments", f"must be one molecule, but has {fragments} fragments"
        )
    dropped.append(FRAGMENTS)
    return rdMolStandardize.LargestFragmentChooser().choose(molecule)


def _neutral(molecule: Chem.Mol, cleaning: Cleaning, dropped: list[str]) -> Chem.Mol:
    charge = Chem.GetFormalCharge(molecule)
    if charge == 0 or cleaning.charged == "keep":
        return molecule
    if cleaning.charged == "neutralise":
        neutral = rdMolStandardize.Uncharger(canonicalOrder=True).uncharge(molecule)
        if Chem.GetFormalCharge(neutral) == 0:
            dropped.append(CHARGES)
            return neutral
    raise UnusableError("charged", f"must be neutral, but has the charge {charge:+d}")
