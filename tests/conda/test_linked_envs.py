"""Each env file, made into an env that holds its packages and nothing else, lets its stages start.

No Snakemake and no conda here; linked_env.py says what such an env stands for. That the stages also do their work in
it is shown by test_stages_under_conda.py.
"""

import json
import subprocess
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest

from engine.tool_versions import distribution
from linked_env import EnvError, make_linked_env, pinned_distributions, with_requirements
from rule_files import INSTALLED, ROOT, WORKFLOW, stages_by_env

# Prints which of the modules named on the command line can be found, and the distributions that are there.
LOOK = """
import importlib.metadata, importlib.util, json, sys
found = [name for name in sys.argv[1:] if importlib.util.find_spec(name)]
here = {each.metadata["Name"]: each.version for each in importlib.metadata.distributions()}
print(json.dumps([found, here]))
"""

Made = Callable[[str], Path]


@pytest.fixture(scope="module")
def python_of(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A function that gives the interpreter of a linked env, by the name of its file."""
    base = tmp_path_factory.mktemp("linked")

    def made(name: str) -> Path:
        if not (base / name).exists():
            make_linked_env(ROOT / "envs" / f"{name}.yaml", base / name)
        return base / name / "bin" / "python"

    return made


@pytest.mark.parametrize(
    ("env", "stage"),
    [(env, name) for env in INSTALLED for name in sorted(stages_by_env()[env])],
)
def test_a_stage_explains_itself_in_its_env(env: str, stage: str, python_of: Made, tmp_path: Path) -> None:
    command = [str(python_of(env)), str(WORKFLOW / "stage.py"), stage, "--help"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, env={})
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"usage: crnn {stage}")


@pytest.mark.parametrize("env", INSTALLED)
def test_an_env_holds_its_pins_their_requirements_and_nothing_else(env: str, python_of: Made) -> None:
    pins = pinned_distributions(ROOT / "envs" / f"{env}.yaml")
    allowed = with_requirements(pins)
    modules = metadata.packages_distributions()
    foreign = [name for name, owners in modules.items() if not {distribution(owner) for owner in owners} & allowed]
    assert {"snakemake", "pytest", "pip"} <= set(foreign)

    command = [str(python_of(env)), "-c", LOOK, *foreign]
    found, here = json.loads(subprocess.run(command, capture_output=True, check=True, env={}).stdout)
    versions = {distribution(name): version.partition("+")[0] for name, version in here.items()}
    assert found == []
    assert set(versions) == allowed
    assert pins.items() <= versions.items()


def test_a_version_that_is_not_installed_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "env.yaml"
    file.write_text("dependencies:\n- python=3.11\n- tqdm=1.0\n- pip\n- pip:\n  - no-such-package==2.0\n")
    with pytest.raises(EnvError, match=r"wants tqdm 1\.0, here is \d.*\n.*wants no-such-package 2\.0, here is none"):
        make_linked_env(file, tmp_path / "env")
    assert not (tmp_path / "env").exists()
