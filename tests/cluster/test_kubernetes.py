"""A run by Kubernetes Jobs. The cluster is a double: `kubectl` runs what a Job's container would, on this machine."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from workspace import ROOT, Workspace, small_config

pytestmark = pytest.mark.dag

PROFILE = ROOT / "profiles/kubernetes"

# Knows what the profile asks of kubectl, and answers as it does. A Job is a folder: its manifest, its exit code.
KUBECTL = """#!{python}
import json, subprocess, sys
from pathlib import Path

jobs, (verb, *rest) = Path(__file__).with_name("jobs"), sys.argv[1:]
if verb == "create":
    manifest = json.load(sys.stdin)
    name = manifest["metadata"]["generateName"] + str(len(list(jobs.iterdir())))
    (jobs / name).mkdir()
    (jobs / name / "manifest.json").write_text(json.dumps(manifest))
    command = manifest["spec"]["template"]["spec"]["containers"][0]["command"]
    script = '"$@"; echo $? > ' + str(jobs / name / "code.new") + "; cd " + str(jobs / name) + "; mv code.new code"
    with (jobs / name / "log").open("w") as log:
        subprocess.Popen(["sh", "-c", script, "sh", *command], stdout=log, stderr=log, start_new_session=True)
    print(name, end="")
elif verb == "get":
    folder = jobs / rest[1]
    if not folder.is_dir():
        sys.exit('Error from server (NotFound): jobs.batch "' + rest[1] + '" not found')
    code = folder / "code"
    ended = "Complete" if code.exists() and code.read_text().strip() == "0" else "Failed"
    conditions = [dict(type=ended, status="True")] if code.exists() else []
    print(json.dumps(dict(status=dict(conditions=conditions))))
"""


@pytest.fixture(scope="module")
def kubectl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the double, to be put on PATH."""
    folder = tmp_path_factory.mktemp("kubernetes")
    (folder / "jobs").mkdir()
    (folder / "kubectl").write_text(KUBECTL.replace("{python}", sys.executable))
    (folder / "kubectl").chmod(0o755)
    return folder


def path_with(folder: Path) -> str:
    return os.pathsep.join([str(folder), os.environ["PATH"]])


@pytest.fixture(scope="module")
def jobs(tmp_path_factory: pytest.TempPathFactory, checkpoint: Path, checkout: Path, kubectl: Path) -> dict[str, Any]:
    """Manifests of a run from the checkpoint to the build of a device, by rule or group."""
    config = small_config(checkpoint) | {
        "deployments": {"device": {"runtime": "device", "widths": "aspect", "source": "raw"}}
    }
    space = Workspace(tmp_path_factory.mktemp("run"), config, checkout)
    target = "results/builds/crnn/device/model.onnx"
    polling = ["--seconds-between-status-checks", "1", "--latency-wait", "10"]
    command = space.command("--profile", str(PROFILE), *polling, "--", target)
    killed = ["timeout", "--kill-after=5", "200"]
    environment = os.environ | {"PATH": path_with(kubectl)}
    done = subprocess.run([*killed, *command], cwd=space.path, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (space.path / target).is_file()
    manifests = [json.loads(file.read_text()) for file in kubectl.glob("jobs/*/manifest.json")]
    return {manifest["metadata"]["generateName"]: manifest for manifest in manifests}


def needs(manifest: dict[str, Any]) -> Any:
    resources = manifest["spec"]["template"]["spec"]["containers"][0]["resources"]
    assert resources["requests"] == resources["limits"]
    return resources["requests"]


def test_a_chain_of_short_jobs_is_one_job(jobs: dict[str, Any]) -> None:
    assert sorted(jobs) == ["build-device-", "model-"]


def test_a_job_requests_what_its_rule_says(jobs: dict[str, Any]) -> None:
    assert needs(jobs["model-"]) == {"cpu": "2", "memory": "4000M"}
    assert jobs["model-"]["spec"]["activeDeadlineSeconds"] == 60 * (15 + 15)


def test_a_device_is_requested_by_its_name_in_the_cluster(jobs: dict[str, Any]) -> None:
    assert needs(jobs["build-device-"])["nvidia.com/gpu"] == "1"


def test_a_job_mounts_the_shared_volume(jobs: dict[str, Any]) -> None:
    pod = jobs["model-"]["spec"]["template"]["spec"]
    (mount,), (volume,) = pod["containers"][0]["volumeMounts"], pod["volumes"]
    assert mount["name"] == volume["name"]


def test_a_job_that_is_gone_has_failed(kubectl: Path) -> None:
    command = [sys.executable, str(PROFILE / "status.py"), "gone"]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env=os.environ | {"PATH": path_with(kubectl)}
    )
    assert done.stdout.strip() == "failed"
