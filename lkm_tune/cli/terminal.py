"""Output on terminals and into files that cannot hold every letter: γ is spelled `gamma` there."""

import codecs
import io
import sys
import unicodedata

SPELLED = {
    "γ": "gamma", "σ": "sigma", "Σ": "sum", "Δ": "delta", "µ": "u", "μ": "u", "Å": "A", "×": "x",
    "·": "*", "–": "-", "—": "-", "−": "-", "±": "+-", "…": "...", "→": "->", "≤": "<=", "≥": ">=",
    "≈": "~", "∞": "inf", "°": " deg", "█": "#", "━": "-", "─": "-", "│": "|", "•": "*",
}  # fmt: skip
"""In letters that every terminal has."""

_NAME = "spelled"


def spell(error: UnicodeError) -> tuple[str, int]:
    """What stands for letters that an encoding lacks: a codec's handler of errors."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_plain, error.object[error.start : error.end])), error.end


def prepare_output() -> None:
    """No letter ends a verb any more: what standard output and errors cannot show is spelled."""
    codecs.register_error(_NAME, spell)
    codecs.register(_spelled_ascii)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # click takes a stream named ascii for a mistake, and writes UTF-8 to it.
            ascii_only = codecs.lookup(stream.encoding).name == "ascii"
            encoding = f"{_NAME}_ascii" if ascii_only else stream.encoding
            stream.reconfigure(encoding=encoding, errors=_NAME)


def _plain(letter: str) -> str:
    if letter in SPELLED:
        return SPELLED[letter]
    bare = unicodedata.normalize("NFKD", letter).encode("ascii", "ignore").decode()
    return bare or "?"


def _spelled_ascii(name: str) -> codecs.CodecInfo | None:
    if name != f"{_NAME}_ascii":
        return None
    plain = codecs.lookup("ascii")
    return codecs.CodecInfo(
        plain.encode,
        plain.decode,
        plain.streamreader,
        plain.streamwriter,
        plain.incrementalencoder,
        plain.incrementaldecoder,
        name=name,
    )
