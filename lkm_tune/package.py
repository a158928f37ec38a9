"""A digest of the whole package, which a worker compares with its driver's."""

import hashlib
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parent
"""The folder of the package."""


@cache
def package_digest() -> str:
    """The first 16 hexadecimal digits of SHA-256 over names and contents of the package's files."""
    files = {path.relative_to(PACKAGE).as_posix(): path for path in PACKAGE.rglob("*")}
    digest = hashlib.sha256()
    for name, path in sorted(files.items()):
        if path.is_file() and "__pycache__" not in path.parts:
            digest.update(f"{name}\0{path.stat().st_size}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]
