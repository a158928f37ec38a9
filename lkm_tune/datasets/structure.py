"""A molecule of RDKit as networks see it: elements, bonds and positions, hydrogens included."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.Chem.MolStandardize import rdMolStandardize
from rdkit.Chem.Scaffolds import MurckoScaffold

from lkm_tune.datasets.cleaning import Cleaning

MAPS, ISOTOPES = "atom maps", "isotopes"
FRAGMENTS, CHARGES = "smaller fragments", "charges"


@dataclass(frozen=True)
class Structure:
    """What of a molecule is kept.

    Attributes:
        molecule: Of RDKit, hydrogens as atoms, without atom maps and isotopes.
        pos: [N, 3] positions in Å where the molecule came with them.
        z: Atomic numbers.
        pairs: Atoms of each bond.
        graph: The same text for all molecules that are one graph of elements and bonds.
        stereo: What tells stereoisomers of one graph apart; empty where nothing is said.
        scaffold: Of Bemis and Murcko, as SMILES.
        dropped: What was taken off: of the four constants above.
        made: Whether the positions are a conformer that was made here.
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
    """An entry of a file that can be used.

    Attributes:
        entry: Its place in the file, from 0.
        name: As messages name it, `line 3`.
        shown: What stands there.
        found: Its molecule.
        values: One number a target.
    """

    entry: int
    name: str
    shown: str
    found: Structure
    values: tuple[float, ...] = ()


class UnusableError(Exception):
    """Why a molecule cannot be used.

    Attributes:
        kind: Under which it is counted, in a few words.
    """

    def __init__(self, kind: str, message: str) -> None:
        """Keeps both."""
        super().__init__(message)
        self.kind = kind


def parse(text: str) -> Chem.Mol:
    """The molecule of a SMILES.

    Raises:
        UnusableError: It is none.
    """
    molecule = Chem.MolFromSmiles(text) if text else None
    if molecule is None or molecule.GetNumAtoms() == 0:
        raise UnusableError("no SMILES", "is no SMILES that RDKit understands")
    return molecule


def structure(molecule: Chem.Mol, cleaning: Cleaning) -> Structure:
    """What networks see of a molecule; hydrogens become atoms like all others.

    Bond orders, stereochemistry and charges of single atoms are not in the graph.

    Args:
        molecule: With positions, of which hydrogens must have their own, or without.
        cleaning: What becomes of charges and fragments.

    Raises:
        UnusableError: The molecule is charged, has several fragments, or an atom of no element or
            without a position, where `cleaning` does not say what becomes of it.
    """
    dropped: list[str] = []
    if cleaning.conformer and molecule.GetNumConformers():
        molecule = Chem.RemoveHs(molecule)
        molecule.RemoveAllConformers()
    molecule = _unlabelled(molecule, dropped)
    molecule = _one_fragment(molecule, cleaning, dropped)
    molecule = _neutral(molecule, cleaning, dropped)
    explicit = Chem.AddHs(molecule)
    placed = molecule.GetNumConformers() > 0
    if placed and explicit.GetNumAtoms() > molecule.GetNumAtoms():
        raise UnusableError("without positions of hydrogens", "lacks positions of its hydrogens")
    z = tuple(atom.GetAtomicNum() for atom in explicit.GetAtoms())
    if min(z) == 0:
        raise UnusableError("an atom of no element", "has an atom of no element")
    pairs = tuple((bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in explicit.GetBonds())
    bare = molecule
    if placed:
        # Hydrogens of a drawing are atoms already; bonds that are drawn wrong stay as they are.
        bare = Chem.RemoveHs(molecule, sanitize=False)
        bare.UpdatePropertyCache(strict=False)
        Chem.FastFindRings(bare)
    plain, isomeric = Chem.MolToSmiles(bare, isomericSmiles=False), Chem.MolToSmiles(bare)
    return Structure(
        molecule=explicit,
        pos=_centred(explicit) if placed else None,
        z=z,
        pairs=pairs,
        graph=graph_text(z, pairs),
        stereo="" if isomeric == plain else isomeric,
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
    """Without atom maps and isotopes, which no network sees."""
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
        # Labelled hydrogens were atoms of their own; what only labels told apart is no centre.
        bare = Chem.RemoveHs(bare)
    Chem.AssignStereochemistry(bare, cleanIt=True, force=True)
    return bare


def _one_fragment(molecule: Chem.Mol, cleaning: Cleaning, dropped: list[str]) -> Chem.Mol:
    fragments = len(Chem.GetMolFrags(molecule))
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
