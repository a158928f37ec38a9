"""What `ray submit cluster/config.yaml tune.py` runs: the same as `lkm-tune run`."""

from lkm_tune.cli import tune

# `ray submit` sends this file alone: it refuses to run another version that lies on the cluster.
VERSION = "0.1.0"

if __name__ == "__main__":
    tune(VERSION)
