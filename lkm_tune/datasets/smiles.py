"""Molecules from SMILES in a CSV file: graphs of atoms and bonds, without positions."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from rdkit import Chem, rdBase
from rdkit.Chem.Scaffolds import MurckoScaffold

from lkm_tune.datasets.molecules import Bonds, DataError, FloatArray, Molecules
from lkm_tune.datasets.problems import refuse_any

_HEADER_LINES = 1


@dataclass(frozen=True)
class _Graph:
    canonical: str
    scaffold: str
    z: list[int]
    pairs: list[tuple[int, int]]


class _NotUsableError(Exception):
    """Why a SMILES cannot be used."""


def read_smiles(path: Path, targets: Sequence[str], smiles: str = "smiles") -> Molecules:
    """Reads molecules and their properties; RDKit understands the SMILES.

    Hydrogens become atoms like all others. Stereochemistry, bond orders and charges of single
    atoms are not in the graph, so models cannot see them: molecules must be neutral as a whole.

    Args:
        path: A CSV file with a line of column names.
        targets: Columns of numbers to read.
        smiles: Column of the SMILES.

    Returns:
        The molecules in the file's order, numbered from 0. `groups` tells their Bemis–Murcko
        scaffold (J. Med. Chem. 39, 2887 (1996)), which all molecules without rings share.

    Raises:
        DataError: The file or a column cannot be read, or lines have a broken, charged or twofold
            SMILES, several fragments, a molecule of an earlier line, or no number; the message
            names up to ten lines, counted from 1.
    """
    table = _read_table(path, (smiles, *targets))
    problems: list[tuple[int, str]] = []
    values = {name: _numbers(table[name], problems) for name in targets}
    graphs: list[_Graph] = []
    line_of: dict[str, int] = {}
    with rdBase.BlockLogs():
        for line, text in enumerate(table[smiles].str.strip(), start=_HEADER_LINES + 1):
            try:
                graph = _graph(text)
            except _NotUsableError as error:
                problems.append((line, f"{text!r} {error}"))
                continue
            graphs.append(graph)
            first = line_of.setdefault(graph.canonical, line)
            if first != line:
                problems.append((line, f"{text!r} is the same molecule as in line {first}"))
    refuse_any(path, [f"line {line}: {problem}" for line, problem in sorted(problems)])
    return _molecules(str(path), graphs, values)


def parse_smiles(texts: Sequence[str]) -> Molecules:
    """Molecules without properties, one for each SMILES, as `read_smiles` understands them.

    Raises:
        DataError: SMILES are broken, charged, or of several fragments; the message names up to ten
            of them, counted from 1.
    """
    graphs, problems = [], []
    with rdBase.BlockLogs():
        for row, text in enumerate(texts, start=1):
            try:
                graphs.append(_graph(text.strip()))
            except _NotUsableError as error:
                problems.append(f"row {row}: {text!r} {error}")
    refuse_any("the table", problems)
    return _molecules("the table", graphs, {})


def _read_table(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """The columns as text."""
    try:
        with warnings.catch_warnings():
            # Lines that are longer than the first are an error, not names of the lines.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            # Blank lines are kept so that lines can be counted; those at the end mean nothing.
            table = pd.read_csv(
                path, dtype=str, keep_default_na=False, skip_blank_lines=False, index_col=False
            )
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file") from None
    except (OSError, EOFError, ValueError, pd.errors.ParserWarning) as error:
        raise DataError(f"{path}: is not a readable CSV file ({error})") from error
    missing = [name for name in columns if name not in table.columns]
    if missing:
        raise DataError(
            f"{path}: lacks the columns {', '.join(missing)}; it has {', '.join(table.columns)}"
        )
    filled = np.flatnonzero((table != "").any(axis=1))
    if len(filled) == 0:
        raise DataError(f"{path}: there must be molecules, but there are none")
    return table.iloc[: filled[-1] + 1][list(dict.fromkeys(columns))].fillna("")


def _numbers(column: "pd.Series[str]", problems: list[tuple[int, str]]) -> FloatArray:
    numbers: FloatArray = pd.to_numeric(column, errors="coerce").to_numpy(np.float64)
    for row in np.flatnonzero(~np.isfinite(numbers)):
        what = repr(column.iloc[row]) if column.iloc[row] else "nothing"
        line = int(row) + _HEADER_LINES + 1
        problems.append((line, f"{column.name} must be a finite number, but there is {what}"))
    return numbers


def _graph(text: str) -> _Graph:
    molecule = Chem.MolFromSmiles(text) if text else None
    if molecule is None or molecule.GetNumAtoms() == 0:
        raise _NotUsableError("is no SMILES that RDKit understands")
    fragments = len(Chem.GetMolFrags(molecule))
    if fragments > 1:
        raise _NotUsableError(f"must be one molecule, but has {fragments} fragments")
    charge = Chem.GetFormalCharge(molecule)
    if charge:
        raise _NotUsableError(f"must be neutral, but has the charge {charge:+d}")
    explicit = Chem.AddHs(molecule)
    z = [atom.GetAtomicNum() for atom in explicit.GetAtoms()]
    if min(z) == 0:
        raise _NotUsableError("has an atom of no element")
    return _Graph(
        canonical=Chem.MolToSmiles(molecule),
        scaffold=MurckoScaffold.MurckoScaffoldSmiles(mol=molecule),
        z=z,
        pairs=[(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in explicit.GetBonds()],
    )


def _molecules(name: str, graphs: Sequence[_Graph], values: dict[str, FloatArray]) -> Molecules:
    number_of: dict[str, int] = {}
    groups = [number_of.setdefault(graph.scaffold, len(number_of)) for graph in graphs]
    pairs = [pair for graph in graphs for a, b in graph.pairs for pair in ((a, b), (b, a))]
    return Molecules(
        name=name,
        ids=np.arange(len(graphs)),
        n_atoms=np.array([len(graph.z) for graph in graphs]),
        z=np.array([number for graph in graphs for number in graph.z], dtype=np.uint8),
        pos=None,
        targets=values,
        bonds=Bonds(
            pairs=np.array(pairs, dtype=np.int64).reshape(-1, 2).T,
            counts=np.array([2 * len(graph.pairs) for graph in graphs]),
        ),
        groups=np.array(groups),
    )
