"""Molecules from SMILES in a table: graphs of atoms and bonds, and optional conformers."""

from collections.abc import Sequence
from pathlib import Path

from rdkit import Chem, rdBase

from lkm_tune.datasets.cleaning import Cleaning, refuse
from lkm_tune.datasets.entries import Entry, assemble, molecules_of, usable_entries
from lkm_tune.datasets.molecules import Molecules
from lkm_tune.datasets.structure import UnusableError, parse
from lkm_tune.datasets.table import Table, check_weights, read_table

_SHOWN = 200
"""Characters of a SMILES in a message."""


def read_smiles(
    path: Path,
    targets: Sequence[str],
    smiles: str = "smiles",
    cleaning: Cleaning | None = None,
) -> Molecules:
    """Reads molecules and their properties; RDKit parses the SMILES.

    Hydrogens become atoms. Stereochemistry, bond orders, isotopes, atom maps and charges of single
    atoms are not in the graph, so networks cannot use them.

    Args:
        path: A table with a line of column names, for `read_table`.
        targets: Columns of numbers.
        smiles: Column of the SMILES.
        cleaning: The choices for unusable molecules; by default, they refuse the file.

    Returns:
        The molecules in the file's order, numbered by their lines from 0. `groups` has their
        Bemis–Murcko scaffolds (J. Med. Chem. 39, 2887 (1996); all molecules without rings share
        one), `copies` their graphs.

    Raises:
        DataError: The file or a column cannot be read, or lines are unusable and `cleaning` refuses
            them; the message names up to ten lines, counted from 1.
    """
    table = read_table(path, (smiles, *targets))
    check_weights(table, path, (smiles, *targets))
    return assemble(path, table_entries(table, smiles, targets), targets, cleaning or Cleaning())


def parse_smiles(texts: Sequence[str]) -> Molecules:
    """Molecules without properties, one for each SMILES, by the rules of `read_smiles`.

    Raises:
        DataError: SMILES are broken, charged, or of several fragments; the message names up to ten
            of them, counted from 1.
    """
    with rdBase.BlockLogs():
        entries = [
            Entry(f"row {row}", shown(text), parsed(text.strip()))
            for row, text in enumerate(texts, start=1)
        ]
    usable, problems = usable_entries(entries, Cleaning())
    refuse("the table", problems, (), Cleaning())
    return molecules_of("the table", usable)


def table_entries(table: Table, smiles: str, targets: Sequence[str]) -> list[Entry]:
    """The entries of a table, named by their line numbers."""
    values = [table.column(target) for target in targets]
    entries = []
    with rdBase.BlockLogs():
        for row, (line, text) in enumerate(zip(table.lines, table.column(smiles), strict=True)):
            molecule = parsed(text)
            if line in table.too_long:
                molecule = UnusableError(
                    "too many fields",
                    f"has {table.too_long[line]} fields, but the table has "
                    f"{len(table.columns)} columns",
                )
            texts = tuple(column[row] for column in values)
            entries.append(Entry(f"line {line}", shown(text), molecule, texts))
    return entries


def parsed(text: str) -> Chem.Mol | UnusableError:
    """The molecule of a SMILES, or the reason why there is none."""
    try:
        return parse(text)
    except UnusableError as error:
        return error


def shown(text: str) -> str:
    """A SMILES as messages show it."""
    return repr(text) if len(text) <= _SHOWN else f"{text[:_SHOWN]!r}…"
