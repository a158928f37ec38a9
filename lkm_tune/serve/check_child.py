"""`python -m lkm_tune.serve.check_child`: checks a study file outside the server.

The check builds networks and may open data: this needs torch, memory and, for models of a user's
own, the import of their code. Standard input holds the arguments of `check_file` as JSON; standard
output gets its result as JSON.
"""

import json
import os
import resource
import sys
from dataclasses import asdict
from pathlib import Path

from lkm_tune.app import Permissions, check_file

MEMORY = 4 * 1024**3
"""Largest memory of a check, in bytes."""


def main() -> None:
    """Checks one file."""
    # The limit counts memory that may be written, not the large libraries that are only mapped.
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    asked = json.load(sys.stdin)
    # What the code of a model prints must not mix with the result.
    result = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    permissions = Permissions(asked["own_models"], tuple(map(Path, asked["data"])))
    try:
        found = check_file(asked["file"], asked["storage"], permissions, cost=asked["cost"])
    except (MemoryError, RuntimeError) as error:
        # torch has no exception of its own for this.
        if not isinstance(error, MemoryError) and "can't allocate memory" not in str(error):
            raise
        sys.exit(f"it needs more than {MEMORY / 1024**3:g} GiB of memory")
    json.dump(asdict(found), result)
    result.close()


if __name__ == "__main__":
    main()
