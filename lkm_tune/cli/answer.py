"""`lkm-tune report` and `lkm-tune best-gamma`: what the finished runs say."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lkm_tune.cli.options import json_option, storage_option, user_errors

if TYPE_CHECKING:
    from lkm_tune.search.folder import StudyFolder
    from lkm_tune.study import Study
    from lkm_tune.transfer import TransferReport
