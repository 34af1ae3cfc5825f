"""The rules of the house that no linter holds. pyproject.toml has the others: the floors, and who imports a toolchain.

Each law is one test that names every offender.
"""

import ast
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from crnn.runtimes.registry import known_runtimes
from rule_files import WITHOUT_RULE, rule_blocks, stage_of
from stage import load, stage_files

ROOT = Path(__file__).parents[2]
WORKFLOW = ROOT / "workflow"
STARTS_PROGRAMS = WORKFLOW / "crnn/runtimes/ascend/toolchain.py"  # the one module that may: ATC is a program
TOOLCHAINS = {"torch", "torch_npu", "onnxruntime", "openvino", "tensorrt", "tensorrt_bindings", "pycuda", "cuda"}
TOOLCHAINS |= {"ais_bench", "aclruntime", "acl", "onnx", "polars", "cv2", "lmdb"}


def loaded_by(code: str) -> set[str]:
    """Top-level names of the modules that a fresh Python has loaded after running this code."""
    command = [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules)"]
    done = subprocess.run(command, cwd=WORKFLOW, capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in done.stdout.split()}


# --- runtimes ----------------------------------------------------------------------------------------------


def test_the_facts_of_the_runtimes_are_read_without_a_toolchain() -> None:
    loaded = loaded_by("from crnn.runtimes.registry import known_runtimes\nprint(known_runtimes())")
    assert not TOOLCHAINS & loaded


@pytest.mark.parametrize("name", ["ascend", "tensorrt"])
def test_the_verbs_of_a_device_start_without_its_toolchain(name: str) -> None:
    assert not TOOLCHAINS & loaded_by(f"import {known_runtimes()[name].module}")


def test_processes_that_render_for_a_training_start_without_pytorch() -> None:
    assert "torch" not in loaded_by("import stage, crnn.train.stream")


# --- text that is not run ----------------------------------------------------------------------------------


def test_programs_are_started_from_lists_and_with_no_text_for_a_shell() -> None:
    nodes = list(ast.walk(ast.parse(STARTS_PROGRAMS.read_bytes())))
    named = [(ast.unparse(node.func), node) for node in nodes if isinstance(node, ast.Call)]
    started = [(name, call) for name, call in named if name.startswith("subprocess.")]
    assert {name for name, _ in started} == {"subprocess.run"}
    assert all(isinstance(call.args[0], ast.List) for _, call in started)
    texts = [
        following
        for node in nodes
        if isinstance(node, ast.List)
        for option, following in pairwise(node.elts)
        if isinstance(option, ast.Constant) and option.value == "-c"
    ]
    assert texts
    assert all(isinstance(text, ast.Constant) or ast.unparse(text).isupper() for text in texts)


def test_pickles_are_read_for_their_weights_only() -> None:
    sources = {path: path.read_text(encoding="utf-8") for path in WORKFLOW.rglob("*.py")}
    assert [path for path, text in sources.items() if "allow_pickle=True" in text] == []
    read = [(path, call) for path, text in sources.items() for call in re.findall(r"torch\.load\([^)]*\)", text)]
    assert read
    assert [path for path, call in read if "weights_only=True" not in call] == []


# --- stages ------------------------------------------------------------------------------------------------


def test_every_stage_is_a_command_whose_help_is_its_docstring() -> None:
    for name, path in stage_files().items():
        main, command = load(name)
        documentation = ast.get_docstring(ast.parse(path.read_text()), clean=False)
        assert callable(main), name
        assert documentation, name
        assert documentation.strip() in command.format_help(), name


def test_a_command_runs_from_anywhere(tmp_path: Path) -> None:
    script = [sys.executable, str(WORKFLOW / "stage.py"), "import_lmdb", "--help"]
    done = subprocess.run(script, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("usage: crnn import_lmdb")
    assert done.stderr == ""


def test_every_stage_is_run_by_a_rule() -> None:
    assert {stage_of(block) for block in rule_blocks()} - {None} == stage_files().keys() - WITHOUT_RULE


def test_every_rule_carries_the_makers_of_the_stage_and_the_env_that_it_runs() -> None:
    for block in rule_blocks():
        stage, env = stage_of(block), re.search(r"envs/(\w+)\.yaml", block)
        carried = re.findall(r'(?:MAKERS\.\w+|made_by_runtime)\("(\w+)"(?:, "(\w+)")?', block)
        assert {name for name, _ in carried} == {stage} - {None}, block
        assert {name for _, name in carried if name} <= {env[1] if env else None}, block
