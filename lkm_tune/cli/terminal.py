"""Output to terminals and files whose encoding lacks letters: γ becomes `gamma`."""

import codecs
import io
import sys
import unicodedata

SPELLED = {
    "γ": "gamma", "σ": "sigma", "Σ": "sum", "Δ": "delta", "µ": "u", "μ": "u", "Å": "A", "×": "x",
    "·": "*", "–": "-", "—": "-", "−": "-", "±": "+-", "…": "...", "→": "->", "≤": "<=", "≥": ">=",
    "≈": "~", "∞": "inf", "°": " deg", "█": "#", "━": "-", "─": "-", "│": "|", "•": "*",
}  # fmt: skip
"""Letter -> its spelling in ASCII."""

_NAME = "spelled"


def spell(error: UnicodeError) -> tuple[str, int]:
    """An error handler for codecs: it spells letters that the encoding lacks."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_spelled_letter, error.object[error.start : error.end])), error.end


def prepare_output() -> None:
    """Makes standard output and standard error spell letters that their encoding lacks."""
    codecs.register_error(_NAME, spell)
    codecs.register(_spelled_ascii)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # click treats a stream named ascii as a mistake and writes UTF-8 to it.
            ascii_only = codecs.lookup(stream.encoding).name == "ascii"
            encoding = f"{_NAME}_ascii" if ascii_only else stream.encoding
            stream.reconfigure(encoding=encoding, errors=_NAME)


def _spelled_letter(letter: str) -> str:
    if letter in SPELLED:
        return SPELLED[letter]
    bare = unicodedata.normalize("NFKD", letter).encode("ascii", "ignore").decode()
    return bare or "?"


def _spelled_ascii(name: str) -> codecs.CodecInfo | None:
    if name != f"{_NAME}_ascii":
        return None
    ascii_codec = codecs.lookup("ascii")
    return codecs.CodecInfo(
        ascii_codec.encode,
        ascii_codec.decode,
        ascii_codec.streamreader,
        ascii_codec.streamwriter,
        ascii_codec.incrementalencoder,
        ascii_codec.incrementaldecoder,
        name=name,
    )
