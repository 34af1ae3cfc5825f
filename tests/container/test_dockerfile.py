"""The container recipe: linted everywhere, built and run where a container engine is.

Without an engine these tests show that the linter has nothing to say, that the Dockerfile copies just what a run needs
and what .dockerignore lets through, and that its packages are those of the lock file. That the image builds and starts
is shown by the last two, which are skipped where `docker info` fails.
"""

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from workspace import ROOT, WORKFLOW_FILES

DOCKERFILE = (ROOT / "Dockerfile").read_text()


def copied() -> set[str]:
    """Paths of the repository that the Dockerfile copies."""
    lines = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, flags=re.MULTILINE)
    return {path for line in lines for path in line.split()}


def test_the_linter_has_nothing_to_say() -> None:
    command = [str(Path(sys.executable).with_name("hadolint")), "--no-color", str(ROOT / "Dockerfile")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stdout + done.stderr, done.returncode) == ("", 0)


def test_it_copies_what_a_run_needs_and_what_says_its_packages() -> None:
    assert copied() == {*WORKFLOW_FILES, "requirements.lock"}


def test_the_engine_gets_what_is_copied_and_no_more() -> None:
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    assert lines[0] == "*"
    assert {line.removeprefix("!") for line in lines if line.startswith("!")} == copied()


def test_it_has_the_python_of_the_lock_file() -> None:
    base = re.search(r"^ARG BASE=python:(\d+\.\d+)\.\d+-slim-\w+$", DOCKERFILE, flags=re.MULTILINE)
    assert base is not None
    assert f">={base[1]}" == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]


# --- with an engine --------------------------------------------------------------------------------------------


def docker(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def image() -> Iterator[str]:
    """The image, built from the checkout; skipped where no engine answers."""
    try:
        engine = docker("info")
    except FileNotFoundError:
        pytest.skip("no docker")
    if engine.returncode != 0:
        pytest.skip(f"no container engine: {engine.stderr.strip().splitlines()[-1]}")
    name = f"crnn-dynamic-test:{uuid4().hex[:12]}"
    built = docker("build", "--tag", name, str(ROOT))
    assert built.returncode == 0, built.stdout + built.stderr
    yield name
    docker("image", "rm", name)


def test_the_image_plans_the_default_run_as_an_unprivileged_user(image: str) -> None:
    stranger = ("--user", "12345:12345", "--tmpfs", "/work:mode=1777")
    done = docker("run", "--rm", "--network", "none", *stranger, image, "--cores", "1", "--dry-run", "report")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "make_report" in done.stdout + done.stderr


def test_the_image_explains_itself(image: str) -> None:
    done = docker("run", "--rm", "--network", "none", image, "--help")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("usage: snakemake")
