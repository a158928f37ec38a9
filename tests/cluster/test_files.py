"""The cluster files against the schemas of the programs that read them."""

import json
import subprocess
from pathlib import Path

import pytest
import yaml
from botocore.session import Session
from botocore.validate import ParamValidator
from jsonschema import Draft7Validator, ValidationError
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


@pytest.mark.parametrize(
    "change",
    [{"setup_command": ["true"]}, {"provider": {"type": "nowhere"}}, {"max_workers": "many"}],
)
def test_rays_launcher_does_not_take_anything(change):
    config = yaml.safe_load((CLUSTER / "aws.yaml").read_text()) | change
    with pytest.raises((ValidationError, ValueError, NotImplementedError)):
        validate_config(prepare_config(config))


def test_ec2_takes_the_machines():
    config = yaml.safe_load((CLUSTER / "aws.yaml").read_text())
    ec2 = Session().get_service_model("ec2").operation_model("RunInstances").input_shape
    for node in config["available_node_types"].values():
        wanted = node["node_config"] | {"MinCount": 1, "MaxCount": 1}
        assert not ParamValidator().validate(wanted, ec2).has_errors()
        assert ParamValidator().validate(wanted | {"ImageID": "ami-0"}, ec2).has_errors()


# Every name in the file, from the schemas of KubeRay 1.7; look up a new name there first.
KUBERAY_NAMES = """
    apiVersion kind metadata name spec accessModes resources requests storage rayVersion
    enableInTreeAutoscaling authOptions mode headGroupSpec rayStartParams template containers image
    env value limits volumeMounts mountPath volumes persistentVolumeClaim claimName
    workerGroupSpecs groupName replicas minReplicas maxReplicas clusterSelector entrypoint
"""
# The keys of these mappings are names of the user.
FREE = ("rayStartParams", "limits", "clusterSelector")


def names_in(part):
    if isinstance(part, list):
        return set().union(*map(names_in, part))
    if not isinstance(part, dict):
        return set()
    below = [names_in(value) for key, value in part.items() if key not in FREE]
    return set(part).union(*below)


def test_kuberay_knows_every_name():
    for document in yaml.safe_load_all((CLUSTER / "kuberay.yaml").read_text()):
        assert names_in(document) <= set(KUBERAY_NAMES.split())


def test_pods_of_kuberay():
    claim, cluster, job = yaml.safe_load_all((CLUSTER / "kuberay.yaml").read_text())
    assert (claim["kind"], cluster["kind"], job["kind"]) == (
        *("PersistentVolumeClaim", "RayCluster", "RayJob"),
    )
    assert job["spec"]["clusterSelector"] == {"ray.io/cluster": cluster["metadata"]["name"]}
    # The operator refuses both keys together.
    assert "backoffLimit" not in job["spec"]
    # The operator gives the token to the pods, to its autoscaler, and to the submitter of the job.
    assert cluster["spec"]["authOptions"] == {"mode": "token"}
    head, (workers,) = cluster["spec"]["headGroupSpec"], cluster["spec"]["workerGroupSpecs"]
    for group in (head, workers):
        pod = group["template"]["spec"]
        (container,) = pod["containers"]
        mounted = {mount["name"] for mount in container["volumeMounts"]}
        assert mounted == {volume["name"] for volume in pod["volumes"]}


@pytest.mark.parametrize("path", sorted(CLUSTER.glob("*.sh")), ids=lambda path: path.name)
def test_shell_scripts_parse(path):
    subprocess.run(["bash", "-n", path], check=True)


def test_no_secret_in_any_file():
    for path in CLUSTER.iterdir():
        assert "PASSWORD=" not in path.read_text().upper().replace("PASSWORD=$", "")
