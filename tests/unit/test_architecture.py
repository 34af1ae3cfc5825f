"""The rules of the house, held against the syntax trees of every module.

Imports run one way, `rules → workflow/<stage>.py → crnn`, and each toolchain has its modules, so that a stage runs in
an environment that holds no other toolchain.
"""

import ast
import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from engine.targets import declared_targets

ROOT = Path(__file__).parents[2]
WORKFLOW = ROOT / "workflow"
MODULES = sorted(path.relative_to(WORKFLOW) for path in WORKFLOW.rglob("*.py"))
STAGES = [path.stem for path in MODULES if path.parent == Path()]
LIBRARY = [path for path in MODULES if path.parts[0] == "crnn"]
ENGINE = [path for path in MODULES if path.parts[0] == "engine"]
STARTS_PROGRAMS = Path("crnn", "ascend", "toolchain.py")  # the one module that may: ATC is a program
ASKED_BEFORE_A_RUN = "check_toolchains"  # by onstart, and by no rule: it makes nothing
RULES = "\n".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "rules").glob("*.smk")))


def tree(module: Path) -> ast.Module:
    return ast.parse((WORKFLOW / module).read_bytes(), str(module))


def imports(module: Path) -> set[str]:
    """Every dotted name that a module imports, wherever in it, with the names taken from it."""
    found: set[str] = set()
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.update([node.module, *(f"{node.module}.{alias.name}" for alias in node.names)])
    return found


def packages(module: Path) -> set[str]:
    """The top-level packages that a module imports."""
    return {name.partition(".")[0] for name in imports(module)}


def importers(package: str) -> set[str]:
    return {path.as_posix() for path in MODULES if package in packages(path)}


def calls(module: Path) -> Iterator[tuple[str, ast.Call]]:
    """Every call of a module with the name of what is called, as it is written."""
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def loaded_by(*modules: str) -> set[str]:
    """Every module that importing these really loads, in a Python of its own."""
    code = f"import sys, {', '.join(modules)}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=WORKFLOW, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def names(paths: list[Path]) -> list[str]:
    return [path.as_posix() for path in paths]


# --- imports -----------------------------------------------------------------------------------------------


def test_pytorch_stays_with_the_network_its_training_and_its_target() -> None:
    library = {f"crnn/{name}.py" for name in ("network", "checkpoint", "export")}
    training = {f"crnn/train/{name}.py" for name in ("convolution", "looks", "pool", "state", "steps", "validate")}
    targets = {f"crnn/targets/{name}.py" for name in ("torch", "torch_cuda", "torch_npu")} | {"crnn/torch_device.py"}
    assert importers("torch") == library | training | targets | {"train_checkpoint.py"}


def test_what_renders_in_worker_processes_starts_without_pytorch() -> None:
    assert "torch" not in loaded_by("crnn.train.stream")


def test_only_what_its_targets_share_imports_onnxruntime() -> None:
    assert importers("onnxruntime") == {"crnn/onnx_session.py", "crnn/provider.py", "crnn/targets/onnxruntime.py"}


def test_pytorchs_target_for_the_cpu_knows_of_no_device() -> None:
    assert "crnn.torch_device" not in loaded_by("crnn.targets.torch")
    assert not {"crnn.provider", "crnn.cards"} & loaded_by("crnn.targets.onnxruntime")


def test_only_its_target_imports_openvino() -> None:
    assert importers("openvino") == {"crnn/targets/openvino.py"}


def test_only_a_session_imports_what_drives_an_ascend_card() -> None:
    assert importers("ais_bench") == importers("aclruntime") == {"crnn/ascend/session.py"}


def test_the_ascend_target_starts_without_its_toolchain() -> None:
    assert not {"ais_bench", "aclruntime", "acl"} & loaded_by("crnn.targets.ascend")


def test_what_drives_an_nvidia_gpu_is_imported_by_a_module_each() -> None:
    assert importers("tensorrt") == importers("tensorrt_bindings") == {"crnn/nvidia/library.py"}
    assert importers("pycuda") == {"crnn/nvidia/pycuda_device.py"}
    assert importers("cuda") == {"crnn/nvidia/cudart_device.py"}


def test_the_tensorrt_target_starts_without_its_toolchain() -> None:
    assert not {"tensorrt", "tensorrt_bindings", "pycuda", "cuda"} & loaded_by("crnn.targets.tensorrt")


def test_only_what_writes_graphs_imports_onnx() -> None:
    surgery = {path.as_posix() for path in LIBRARY if path.parts[1] == "surgery"}
    assert importers("onnx_graphsurgeon") == surgery | {"crnn/pattern.py", "crnn/precision/winograd.py"}
    precision = {f"crnn/precision/{name}.py" for name in ("__init__", "half", "quantise", "winograd")}
    stages = {"fix_onnx.py", "calibrate_model.py", "convert_precision.py"}
    library = {"crnn/export.py", "crnn/portable.py", "crnn/surgery/__init__.py"}
    assert importers("onnx") == library | precision | stages


@pytest.mark.parametrize("module", LIBRARY, ids=names(LIBRARY))
def test_the_library_knows_nothing_of_what_calls_it(module: Path) -> None:
    assert not {"snakemake", "yaml", "engine", *STAGES} & packages(module)


@pytest.mark.parametrize("module", ENGINE, ids=names(ENGINE))
def test_the_engine_needs_neither_the_library_nor_snakemake(module: Path) -> None:
    asks = {"snakemake"} if module == Path("engine", "why.py") else set()  # it asks Snakemake what a run would do
    assert not {"crnn", "snakemake", *STAGES} & packages(module) - asks


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_calls_the_library_and_no_other_stage(stage: str) -> None:
    found = packages(Path(f"{stage}.py"))
    assert "crnn" in found
    assert not {"snakemake", "yaml", "engine", *STAGES} & found


SHARED_TOOLCHAINS = {"torch_cuda": {"torch"}, "torch_npu": {"torch"}}  # of another target's name


@pytest.mark.parametrize("name", declared_targets(WORKFLOW / "crnn" / "targets"))
def test_a_target_imports_no_other_target(name: str) -> None:
    found = imports(Path("crnn", "targets", f"{name}.py"))
    others = set(declared_targets(WORKFLOW / "crnn" / "targets")) - {name}
    assert not {f"crnn.targets.{other}" for other in others} & found
    # Where a target has the name of its toolchain's package.
    assert not (others - SHARED_TOOLCHAINS.get(name, set())) & found


def test_what_judges_a_run_never_loads_a_runtime() -> None:
    report = [path for path in LIBRARY if path.parts[1] == "report"]
    judges = [*(Path("crnn", f"{name}.py") for name in ("score", "measure", "audit", "budgets")), *report]
    dotted = [".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in judges]
    loaded = loaded_by(*dotted)
    assert set(dotted) <= loaded
    assert not {"torch", "onnx", "onnxruntime", "crnn.targets", "crnn.network"} & loaded


def test_surgery_needs_no_pytorch() -> None:
    assert not {"torch", "crnn.network"} & loaded_by("fix_onnx")


@pytest.mark.parametrize("module", MODULES, ids=names(MODULES))
def test_imports_are_absolute_statements(module: Path) -> None:
    """So that `crnn` means one thing however a stage is started, and digests of code find all of it."""
    relative = [node.lineno for node in ast.walk(tree(module)) if isinstance(node, ast.ImportFrom) and node.level]
    assert relative == []
    if module != Path("crnn", "targets", "__init__.py"):  # whose module the rules add to the digest by name
        assert not {"importlib.import_module", "import_module", "__import__"} & {name for name, _ in calls(module)}


# --- what no module does -----------------------------------------------------------------------------------


@pytest.mark.parametrize("module", MODULES, ids=names(MODULES))
def test_nothing_runs_text_as_code(module: Path) -> None:
    called = {name for name, _ in calls(module)}
    assert not {"eval", "exec", "os.system", "os.popen", "pickle.load", "pickle.loads", "yaml.load"} & called
    assert "subprocess" not in packages(module) or module == STARTS_PROGRAMS


def test_programs_are_started_from_lists_and_with_no_text_for_a_shell() -> None:
    started = [(name, call) for name, call in calls(STARTS_PROGRAMS) if name.startswith("subprocess.")]
    assert {name for name, _ in started} == {"subprocess.run"}
    for _, call in started:
        assert isinstance(call.args[0], ast.List)
        assert "shell" not in {keyword.arg for keyword in call.keywords}
    texts = [
        following
        for node in ast.walk(tree(STARTS_PROGRAMS))
        if isinstance(node, ast.List)
        for option, following in pairwise(node.elts)
        if isinstance(option, ast.Constant) and option.value == "-c"
    ]
    assert texts
    assert all(isinstance(text, ast.Constant) or ast.unparse(text).isupper() for text in texts)


@pytest.mark.parametrize("module", LIBRARY, ids=names(LIBRARY))
def test_pickles_are_read_for_their_weights_only(module: Path) -> None:
    for name, call in calls(module):
        keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
        if name == "torch.load":
            assert keywords.get("weights_only") == "True"
        if name in {"np.load", "numpy.load"}:
            assert keywords.get("allow_pickle", "False") == "False"


@pytest.mark.parametrize("module", MODULES, ids=names(MODULES))
def test_a_module_says_what_it_is(module: Path) -> None:
    assert ast.get_docstring(tree(module))


# --- stages ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", STAGES)
def test_a_stages_help_is_its_docstring(stage: str, capsys: pytest.CaptureFixture[str]) -> None:
    module = importlib.import_module(stage)
    with pytest.raises(SystemExit) as ended:
        module.arguments().parse_args(["--help"])
    assert ended.value.code == 0
    assert module.__doc__.strip() in capsys.readouterr().out


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_is_a_command(stage: str) -> None:
    last = ast.unparse(tree(Path(f"{stage}.py")).body[-1])
    assert last == "if __name__ == '__main__':\n    run(main, arguments())"


def test_a_command_runs_from_anywhere(tmp_path: Path) -> None:
    script = [sys.executable, str(WORKFLOW / "import_lmdb.py"), "--help"]
    done = subprocess.run(script, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("usage: import_lmdb.py")
    assert done.stderr == ""


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_is_run_by_a_rule(stage: str) -> None:
    asked = f'"{stage}.py"' if stage == ASKED_BEFORE_A_RUN else f'stage("{stage}")'
    assert asked in RULES


def test_every_rule_carries_the_digest_of_the_stage_it_runs() -> None:
    run = re.findall(r'stage=stage\("(\w+)"\),\n\s+code=(?:code|runtime_code)\("(\w+)"', RULES)
    assert len(run) == RULES.count("stage=stage(")
    assert all(stage == digested for stage, digested in run)
    assert {stage for stage, _ in run} == set(STAGES) - {ASKED_BEFORE_A_RUN}
