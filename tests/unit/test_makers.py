"""What makes a job's output: a text for each module and tool, so that Snakemake's own comparison names what changed."""

from pathlib import Path

from crnn.runtimes.registry import known_runtimes
from engine.code_digest import Modules
from engine.makers import Makers
from stage import stage_files

ROOT = Path(__file__).parents[2]
WORKFLOW = ROOT / "workflow"


def makers(envs: Path | None = None) -> Makers:
    return Makers(Modules(WORKFLOW), stage_files(), known_runtimes(), envs)


def names(texts: list[str]) -> set[str]:
    return {text.rpartition(" ")[0] for text in texts}


def test_a_stage_is_made_by_its_modules_and_tools() -> None:
    found = names(makers().texts("make_tensors", "data"))
    assert {"stages/data/make_tensors.py", "crnn/data/preprocess.py", "crnn/data/widths.py"} <= found
    assert {"numpy", "opencv-python-headless", "python"} <= found
    assert not any(text.startswith(("crnn/runtimes", "crnn/model/network", "torch")) for text in found)


def test_a_module_is_named_with_its_digest() -> None:
    (text,) = [text for text in makers().texts("make_tensors", "data") if text.startswith("crnn/data/widths.py")]
    assert len(text.rpartition(" ")[2]) == 16


def test_with_conda_the_tools_are_the_pins_of_the_env() -> None:
    texts = makers(ROOT / "envs").texts("make_tensors", "data")
    assert "--sdm conda" in texts
    assert names(texts) >= {"numpy", "lmdb", "polars"}


def test_the_verbs_of_a_runtime_are_found_by_its_name() -> None:
    added = makers().on_runtimes("predict")[1]
    assert "crnn/runtimes/openvino/cpu.py" in names(added["openvino"])
    assert "crnn/runtimes/openvino/cpu.py" not in names(added["onnxruntime"])
    assert "crnn/runtimes/onnxruntime/cpu.py" in names(added["onnxruntime"])


def test_a_runtime_that_grows_changes_nothing_for_the_others() -> None:
    """Texts are compared as a set, so each row has the empty text, however long the longest is."""
    added = makers().on_runtimes("predict")[1]
    assert len({len(texts) for texts in added.values()}) == 1
    assert all("" in texts for texts in added.values())


def test_what_every_runtime_needs_is_shared() -> None:
    shared = names(makers().on_runtimes("predict")[0])
    assert {"stages/run/predict.py", "crnn/inference/scheduler.py", "numpy"} <= shared
    assert not any(name.startswith("crnn/runtimes/onnxruntime") for name in shared)


def test_params_have_names_that_a_rule_can_give() -> None:
    params = makers().params("make_tensors", "data")
    assert all(name.isidentifier() for name in params)
    assert len(params) == len(makers().texts("make_tensors", "data"))
