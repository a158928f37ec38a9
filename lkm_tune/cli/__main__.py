"""`python -m lkm_tune.cli` is `lkm-tune`."""

from lkm_tune.cli import main

main()
