"""The cluster files against the schemas of the programs that read them."""

import json
import re
import subprocess
import sys
from pathlib import Path

import kubernetes_validate
import pytest
import yaml
from botocore.session import Session
from botocore.validate import ParamValidator
from jsonschema import Draft7Validator, ValidationError
from ray import autoscaler
from ray.autoscaler._private.util import prepare_config, validate_config

from .hosts import makefile_torch

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


def test_the_head_of_a_cloud_outlives_ray_down_and_its_workers_have_one_bucket_alone():
    """Ray makes the role of a head that names none, and gives it the right to start machines."""
    for name, right in {"aws.yaml": "IamInstanceProfile", "gcp.yaml": "serviceAccounts"}.items():
        config = yaml.safe_load((CLUSTER / name).read_text())
        head, gpu = (
            config["available_node_types"][kind]["node_config"] for kind in ("head", "gpu")
        )
        assert config["provider"]["cache_stopped_nodes"]
        assert right not in head
        assert "lkm-tune-worker" in str(gpu[right]) and "autoscaler" not in str(gpu[right])


# Every name in the job, from the schemas of KubeRay 1.7; look up a new name there first.
KUBERAY_NAMES = """
    apiVersion kind metadata name spec entrypoint backoffLimit shutdownAfterJobFinishes
    ttlSecondsAfterFinished rayClusterSpec rayVersion enableInTreeAutoscaling autoscalerOptions
    idleTimeoutSeconds authOptions mode headGroupSpec rayStartParams template workerGroupSpecs
    groupName replicas minReplicas maxReplicas
"""
KUBERNETES = "1.31"


def documents(name):
    return list(yaml.safe_load_all((CLUSTER / name).read_text()))


def names_in(part):
    """The names of a job, without its pods and without names of the user."""
    if isinstance(part, list):
        return set().union(*map(names_in, part))
    if not isinstance(part, dict):
        return set()
    below = [
        names_in(value) for key, value in part.items() if key not in ("rayStartParams", "template")
    ]
    return set(part).union(*below)


def pods(document):
    """The pods that a document makes."""
    spec = document["spec"]
    if document["kind"] == "RayJob":
        cluster = spec["rayClusterSpec"]
        return [
            part["template"] for part in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"])
        ]
    return [spec["template"]] if "template" in spec else []


@pytest.mark.parametrize("path", sorted(CLUSTER.glob("kuberay*.yaml")), ids=lambda path: path.name)
def test_kubernetes_takes_it(path):
    for document in documents(path.name):
        if document["kind"] == "RayJob":
            assert names_in(document) <= set(KUBERAY_NAMES.split())
        else:
            kubernetes_validate.validate(document, KUBERNETES, strict=True)
        for pod in pods(document):
            whole = {"apiVersion": "v1", "kind": "Pod", **pod}
            kubernetes_validate.validate(whole, KUBERNETES, strict=True)
            with pytest.raises(kubernetes_validate.ValidationError):
                wrong = whole | {"spec": whole["spec"] | {"toleration": []}}
                kubernetes_validate.validate(wrong, KUBERNETES, strict=True)


def test_pods_of_kubernetes():
    """Every pod mounts the claim as the user of the image, and no job file has the claim."""
    (claim,) = documents("kuberay-storage.yaml")
    assert claim["kind"] == "PersistentVolumeClaim"
    named = {"claimName": claim["metadata"]["name"]}
    user = re.search(r"useradd --uid (\d+)", (CLUSTER / "Dockerfile").read_text()).group(1)
    others = documents("kuberay.yaml") + documents("kuberay-mlflow.yaml")
    assert "PersistentVolumeClaim" not in {document["kind"] for document in others}
    found = [pod["spec"] for document in others for pod in pods(document)]
    assert len(found) == 3
    for pod in found:
        (container,), (volume,) = pod["containers"], pod["volumes"]
        assert volume["persistentVolumeClaim"] == named
        assert container["volumeMounts"] == [{"name": volume["name"], "mountPath": "/storage"}]
        assert pod["securityContext"]["runAsUser"] == pod["securityContext"]["fsGroup"] == int(user)
        places = {item["name"]: item["value"] for item in container["env"]}
        for name in ("LKM_TUNE_DATA", "LKM_TUNE_CACHE"):
            assert places.get(name, "/storage/").startswith("/storage/")


def test_the_job_and_its_doors():
    job, policy = documents("kuberay.yaml")
    mlflow, service, mlflow_policy = documents("kuberay-mlflow.yaml")
    # Kueue and `backoffLimit` need a cluster that belongs to the job and ends with it.
    assert job["spec"]["shutdownAfterJobFinishes"] and "clusterSelector" not in job["spec"]
    # The operator gives the token to the pods, to its autoscaler, and to the submitter of the job.
    assert job["spec"]["rayClusterSpec"]["authOptions"] == {"mode": "token"}
    workers = job["spec"]["rayClusterSpec"]["workerGroupSpecs"][0]["template"]["spec"]
    assert "nvidia.com/gpu" in workers["containers"][0]["resources"]["limits"]
    assert workers["tolerations"][0]["key"] == "nvidia.com/gpu"
    labels = [pod["metadata"]["labels"] for pod in pods(job)]
    assert all(policy["spec"]["podSelector"]["matchLabels"] == label for label in labels)
    (served,) = pods(mlflow)
    for selector in (
        service["spec"]["selector"],
        mlflow_policy["spec"]["podSelector"]["matchLabels"],
    ):
        assert selector == served["metadata"]["labels"]
    # The address of the studies is the name that the service has and the server answers to.
    environment = pods(job)[0]["spec"]["containers"][0]["env"]
    address = {item["name"]: item["value"] for item in environment}["MLFLOW_TRACKING_URI"]
    host = f"{service['metadata']['name']}:{service['spec']['ports'][0]['port']}"
    assert address == f"http://{host}"
    arguments = served["spec"]["containers"][0]["args"]
    assert any(word.startswith(f"--allowed-hosts={host},") for word in arguments)


def test_hadolint_takes_the_dockerfile():
    # pip's versions stand in constraints.txt, and the layer of torch stays when the code changes.
    ignored = ["--ignore=DL3013", "--ignore=DL3059"]
    program = Path(sys.executable).with_name("hadolint")
    subprocess.run([program, *ignored, CLUSTER / "Dockerfile"], check=True)


def test_the_dockerfile_copies_what_the_package_needs():
    lines = (CLUSTER / "Dockerfile").read_text().splitlines()
    copied = [word for line in lines if line.startswith("COPY") for word in line.split()[1:-1]]
    needed = {"lkm_tune", "search_spaces", "pyproject.toml", "constraints.txt", "README.md"}
    assert set(copied) == needed | {"LICENSE"}
    assert all((CLUSTER.parent / name).exists() for name in copied)
    assert f"ARG TORCH={makefile_torch()}" in lines


@pytest.mark.parametrize("path", sorted(CLUSTER.glob("*.sh")), ids=lambda path: path.name)
def test_shell_scripts_parse(path):
    subprocess.run(["bash", "-n", path], check=True)


def test_no_secret_in_any_file():
    for path in CLUSTER.iterdir():
        assert "PASSWORD=" not in path.read_text().upper().replace("PASSWORD=$", "")
