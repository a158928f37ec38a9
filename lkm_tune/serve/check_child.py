"""`python -m lkm_tune.serve.check_child`: checks a study file outside the server.

The check builds networks and may open data: this needs torch, memory and, for models of a user's
own, the import of their code. Standard input holds the arguments of `check_file` as JSON; standard
output gets its result as JSON.
"""

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

from lkm_tune.app import Permissions, check_file


def main() -> None:
    """Checks one file."""
    asked = json.load(sys.stdin)
    # What the code of a model prints must not mix with the result.
    result = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    permissions = Permissions(asked["own_models"], tuple(map(Path, asked["data"])))
    found = check_file(Path(asked["file"]), asked["storage"], permissions, cost=asked["cost"])
    json.dump(asdict(found), result)
    result.close()


if __name__ == "__main__":
    main()
