"""Text tables of many programs: separators, byte order marks, line ends, quotes, gzip."""

import codecs
import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lkm_tune.datasets.compressed import UNREADABLE, in_short, open_decompressed, text_parts
from lkm_tune.datasets.molecules import DataError

_SEPARATORS = (",", ";", "\t", "|")
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"),
          (codecs.BOM_UTF16_BE, "utf-16"))  # fmt: skip


@dataclass(frozen=True)
class Table:
    """Lines with named columns.

    Attributes:
        columns: Names in the file's order.
        lines: Line number of each row's start, as in a text editor.
        rows: One text per column; missing texts at the end of a line are empty.
        too_long: Line number of each line with too many fields -> its number of fields.
    """

    columns: tuple[str, ...]
    lines: tuple[int, ...]
    rows: tuple[tuple[str, ...], ...]
    too_long: dict[int, int]

    def column(self, name: str) -> tuple[str, ...]:
        """Returns the column of this name, without spaces around its texts."""
        place = self.columns.index(name)
        return tuple(row[place].strip() for row in self.rows)


def read_table(path: Path, wanted: Sequence[str]) -> Table:
    """Reads a table with a line of column names.

    Args:
        path: UTF-8, UTF-16 with its mark, or Latin-1 text, with fields separated by commas,
            semicolons, tabs or bars; compressed or not.
        wanted: Necessary columns.

    Raises:
        DataError: The file cannot be read, or a wanted column is missing or repeated.
    """
    return parse_table(read_text(path), path, wanted)


def parse_table(text: str, name: Path | str, wanted: Sequence[str]) -> Table:
    """The table in a text; `name` is its name in messages.

    Raises:
        DataError: As `read_table`.
    """
    first = next((line for line in text.splitlines() if line.strip()), "")
    separator = _separator(first, wanted)
    records = _records(text, separator, name)
    header = next((fields for _, fields in records if any(fields)), None)
    if header is None:
        raise DataError(f"{name}: there must be molecules, but there are none")
    columns = tuple(column.strip() for column in header)
    _check_columns(name, columns, wanted)
    lines, rows, too_long = [], [], {}
    for line, fields in records:
        if not fields and len(columns) > 1:
            continue  # An empty line is no entry, unless one column is all there is.
        if any(field.strip() for field in fields[len(columns) :]):
            too_long[line] = len(fields)
        fields = fields[: len(columns)]
        lines.append(line)
        rows.append((*fields, *("" for _ in range(len(columns) - len(fields)))))
    while rows and not any(field.strip() for field in rows[-1]):
        # Lines of separators alone are ignored at the end; elsewhere they lack a molecule.
        lines.pop(), rows.pop()
    if not rows:
        raise DataError(f"{name}: there must be molecules, but there are none")
    return Table(columns, tuple(lines), tuple(rows), too_long)


WEIGHTS = re.compile(r"(sample|config|row|loss|data)?_?weights?", re.I)
"""Names of columns with the weight of an entry in the loss."""


def check_weights(table: Table, name: Path | str, wanted: Sequence[str]) -> None:
    """Refuses weights that differ: in training, all entries have the same weight.

    Raises:
        DataError: A column of weights has different values and is not in `wanted`.
    """
    for column in dict.fromkeys(table.columns):
        values = set(table.column(column)) if WEIGHTS.fullmatch(column) else set()
        if len(values) > 1 and column not in wanted:
            first, second = sorted(values)[:2]
            raise DataError(
                f"{name}: all molecules weigh the same in training, but the column {column} has "
                f"{first or 'nothing'} and {second}: take it out of the file, or give it another "
                "name if it is no weight of the loss"
            )


def read_text(path: Path, called: str = "") -> str:
    """The decompressed text of a file, with Unix line ends.

    Args:
        path: The file.
        called: The name of the file in messages; its path by default.

    Raises:
        DataError: The file cannot be read or is no text, or a line is too long.
    """
    try:
        with open_decompressed(path) as file:
            return decoded(b"".join(text_parts(file, called or path)), called or path)
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file") from None
    except DataError:
        raise
    except UNREADABLE as error:
        raise DataError(f"{called or path}: is not a readable file ({in_short(error)})") from error


def decoded(content: bytes, name: Path | str) -> str:
    """The text of these bytes, with Unix line ends; `name` stands in messages.

    Raises:
        DataError: The content is no text.
    """
    encoding = next((kind for mark, kind in _MARKS if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        if encoding != "utf-8":
            raise DataError(f"{name}: is not the {encoding} text that its mark says") from error
        # SMILES and numbers are ASCII: only unused columns have other letters.
        text = content.decode("latin-1")
    if "\0" in text:
        raise DataError(f"{name}: must be text, but has bytes of 0")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _separator(header: str, wanted: Sequence[str]) -> str:
    """The separator that gives the most wanted columns, then the most columns."""

    def found(separator: str) -> tuple[int, int]:
        try:
            columns = [name.strip() for name in next(csv.reader([header], delimiter=separator), [])]
        except csv.Error:
            return 0, 0
        return len(set(wanted) & set(columns)), len(columns)

    return max(_SEPARATORS, key=found)


def _records(text: str, separator: str, name: Path | str) -> Iterator[tuple[int, list[str]]]:
    """The line number of each record's start, and its fields."""
    reader = csv.reader(io.StringIO(text), delimiter=separator, strict=True)
    while True:
        begin = reader.line_num + 1
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise DataError(
                f"{name}: is not a readable table: {error} in the record of line {begin}"
            ) from error
        yield begin, fields


def _check_columns(name: Path | str, columns: Sequence[str], wanted: Sequence[str]) -> None:
    missing = [column for column in dict.fromkeys(wanted) if column not in columns]
    if missing:
        there = ", ".join(columns)
        shown = there if len(there) <= 1000 else f"{there[:1000]}…"
        raise DataError(f"{name}: lacks the columns {', '.join(missing)}; it has {shown}")
    for column in dict.fromkeys(wanted):
        if columns.count(column) > 1:
            raise DataError(
                f"{name}: every column must have a unique name, but {column} occurs "
                f"{columns.count(column)} times"
            )
