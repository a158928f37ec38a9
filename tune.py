"""What `ray submit cluster/config.yaml tune.py` runs: the same as `lkm-tune run`."""

from lkm_tune.cli import tune

# The package that this script was submitted with. `make tune.py` brings it up to date.
PACKAGE = "042227787143f223"

if __name__ == "__main__":
    tune(PACKAGE)
