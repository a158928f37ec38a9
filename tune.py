"""The script for `ray submit cluster/config.yaml tune.py`: the same as `lkm-tune run`."""

from lkm_tune.cli import tune

# `ray submit` sends only this file. It refuses to run with another version on the cluster.
VERSION = "0.1.0"

if __name__ == "__main__":
    tune(VERSION)
