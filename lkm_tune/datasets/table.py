"""Text tables of many programs: separators, byte order marks, line ends, quotes, gzip."""

import codecs
import csv
import gzip
import io
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lkm_tune.datasets.molecules import DataError

_SEPARATORS = (",", ";", "\t", "|")
_GZIP = b"\x1f\x8b"
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
            semicolons, tabs or bars; compressed by gzip or not.
        wanted: Necessary columns.

    Raises:
        DataError: The file cannot be read, or a wanted column is missing or repeated.
    """
    return parse_table(text_of(bytes_of(path), path), path, wanted)


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
        if any(field.strip() for field in fields[len(columns) :]):
            too_long[line] = len(fields)
        fields = fields[: len(columns)]
        lines.append(line)
        rows.append((*fields, *("" for _ in range(len(columns) - len(fields)))))
    while rows and not any(field.strip() for field in rows[-1]):
        # Blank lines at the end are ignored; other blank lines lack a molecule.
        lines.pop(), rows.pop()
    if not rows:
        raise DataError(f"{name}: there must be molecules, but there are none")
    return Table(columns, tuple(lines), tuple(rows), too_long)


def text_of(content: bytes, name: Path | str) -> str:
    """The decompressed text of a file, with Unix line ends.

    Raises:
        DataError: The content is no text.
    """
    if content.startswith(_GZIP):
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(f"{name}: is not a whole gzip file ({error})") from error
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


def bytes_of(path: Path) -> bytes:
    """The content of a file.

    Raises:
        DataError: The file cannot be read.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file") from None
    except OSError as error:
        raise DataError(f"{path}: is not a readable file ({error.strerror})") from error


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
