"""Which code this is: a digest of the whole package.

`ray submit` sends `tune.py` alone. The script therefore carries the digest of the package that lay
beside it, and does not run another one that an earlier `ray up` has left on the cluster.
"""

import hashlib
import re
import sys
from functools import cache
from pathlib import Path

_PACKAGE = Path(__file__).parent
_STAMP = re.compile(r'^PACKAGE = ".*"$', re.MULTILINE)


@cache
def package_digest() -> str:
    """SHA-256 over names and contents of the package's files, the first 16 hexadecimal digits."""
    files = {path.relative_to(_PACKAGE).as_posix(): path for path in _PACKAGE.rglob("*")}
    digest = hashlib.sha256()
    for name, path in sorted(files.items()):
        if path.is_file() and "__pycache__" not in path.parts:
            digest.update(f"{name}\0{path.stat().st_size}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def stamp(script: Path) -> None:
    """Writes the digest into the line `PACKAGE = "…"` of a script, where it is another one.

    Raises:
        ValueError: if the script has no such line.
    """
    before = script.read_text()
    after, count = _STAMP.subn(f'PACKAGE = "{package_digest()}"', before)
    if count != 1:
        raise ValueError(f'{script} must have one line `PACKAGE = "…"`, but has {count}')
    if after != before:
        script.write_text(after)


if __name__ == "__main__":
    stamp(Path(sys.argv[1]))
