"""What `ray submit cluster/config.yaml tune.py` runs: the same as `lkm-tune run`."""

from lkm_tune.cli import tune

# The package that this script was submitted with. `make tune.py` brings it up to date.
PACKAGE = "df9b9b49ab7b4fc0"

if __name__ == "__main__":
    tune(PACKAGE)
