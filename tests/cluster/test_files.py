"""The cluster files against the schemas of those who read them."""

import json
import subprocess
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft7Validator
from ray import autoscaler
from ray.autoscaler._private.util import prepare_config, validate_config

CLUSTER = Path(__file__).parents[2] / "cluster"
LAUNCHER = ["config.yaml", "aws.yaml", "gcp.yaml"]


@pytest.mark.parametrize("name", LAUNCHER)
def test_rays_launcher_takes_it(name):
    config = yaml.safe_load((CLUSTER / name).read_text())
    validate_config(prepare_config(config))
    schema = json.loads((Path(autoscaler.__file__).parent / "ray-schema.json").read_text())
    assert not list(Draft7Validator(schema).iter_errors(config))


@pytest.mark.parametrize("name", LAUNCHER)
def test_what_is_copied_is_there_and_enough_to_install(name):
    mounts = yaml.safe_load((CLUSTER / name).read_text())["file_mounts"]
    checkout = {there: here for there, here in mounts.items() if there.startswith("~/lkm-tune/")}
    for there, here in checkout.items():
        assert there == f"~/lkm-tune/{here}"
        assert (CLUSTER.parent / here).exists()
    needed = {"lkm_tune", "search_spaces", "cluster", "pyproject.toml", "constraints.txt"}
    assert needed | {"Makefile", "README.md", "LICENSE"} == set(checkout.values())


def test_pods_of_kuberay():
    claim, cluster, job = yaml.safe_load_all((CLUSTER / "kuberay.yaml").read_text())
    assert (claim["kind"], cluster["kind"], job["kind"]) == (
        *("PersistentVolumeClaim", "RayCluster", "RayJob"),
    )
    assert job["spec"]["clusterSelector"] == {"ray.io/cluster": cluster["metadata"]["name"]}
    head, (workers,) = cluster["spec"]["headGroupSpec"], cluster["spec"]["workerGroupSpecs"]
    for group in (head, workers):
        pod = group["template"]["spec"]
        (container,) = pod["containers"]
        mounted = {mount["name"] for mount in container["volumeMounts"]}
        assert mounted == {volume["name"] for volume in pod["volumes"]}
        # Without both, Ray would let anybody in.
        variables = {variable["name"] for variable in container["env"]}
        assert {"RAY_AUTH_MODE", "RAY_AUTH_TOKEN"} <= variables


@pytest.mark.parametrize("path", sorted(CLUSTER.glob("*.sh")), ids=lambda path: path.name)
def test_shell_scripts_parse(path):
    subprocess.run(["bash", "-n", path], check=True)


def test_no_secret_in_any_file():
    for path in CLUSTER.iterdir():
        assert "PASSWORD=" not in path.read_text().upper().replace("PASSWORD=$", "")
