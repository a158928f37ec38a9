"""What `ray submit cluster/config.yaml tune.py` runs: the same as `lkm-tune run`."""

from lkm_tune.cli import tune

if __name__ == "__main__":
    tune()
