"""User's models with code in the working folder."""

import os
import sys
from collections.abc import Mapping
from typing import Any


def settings_of_own(name: str) -> Mapping[str, Any]:
    """The settings of the user's model `name`, which may lie in the working folder.

    Raises:
        ValueError: if there is no such model.
    """
    from lkm_tune.models import own_settings

    look_in_working_folder()
    return own_settings(name)


def look_in_working_folder() -> None:
    """Makes the modules of the working folder importable, as `python -m` does.

    Ray adds the working folder of a driver to the path of its workers.
    """
    folder = os.getcwd()
    if folder not in sys.path:
        sys.path.insert(0, folder)
