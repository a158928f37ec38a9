"""Text from files for terminals and pages: control characters as escapes."""

import unicodedata


def printable(text: str, keep: str = "") -> str:
    r"""The text with escapes, such as `\x1b` and `\n`, for characters that show nothing.

    A terminal obeys some of these characters, a line break damages a table, and XML forbids most of
    them. Spaces of all kinds stay.

    Args:
        text: any text.
        keep: characters that stay.
    """
    if text.isprintable():
        return text
    return "".join(c if _shows(c) or c in keep else _escaped(c) for c in text)


def _shows(character: str) -> bool:
    return character.isprintable() or unicodedata.category(character) == "Zs"


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", "backslashreplace").decode()
