"""Bundles of devices over their doubles: the program reads its golden words, and elsewhere the library says why not."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bundles import ASPECT, Recognised, program, recognised, self_test
from contract.toolkit import PACKAGES, PACKAGES_NVIDIA, Toolkit, Use, import_path
from crnn.core.errors import UserError
from crnn.core.files import read_json
from crnn.inference import Recogniser

FIXED = {"rule": "fixed", "width": 104}
# Of each: widths, batch, and the shapes that the build is compiled for.
SHAPES: dict[str, tuple[dict[str, Any], str, dict[str, Any]]] = {
    "range": (ASPECT, "16", {"shapes": "range", "batches": [1, 16], "widths": [40, 400]}),
    "gears": (ASPECT, "4", {"shapes": "gears", "batches": [1, 4], "widths": list(range(40, 401, 8))}),
    "gears of the batch": (FIXED, "16", {"shapes": "gears", "batches": [1, 4, 16], "widths": [104]}),
    "static": (FIXED, "8", {"shapes": "static", "batches": [8], "widths": [104]}),
}


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))


def on_ascend(folder: Path, toolkit: Toolkit, shapes: str) -> Recognised:
    widths, batch, compiled = SHAPES[shapes]
    chip = {"soc_version": "Ascend310P3", "set_env": str(toolkit.set_env)}
    return recognised(folder, widths, batch, "ascend", compiled, **chip)


def on_nvidia(folder: Path) -> Recognised:
    return recognised(folder, ASPECT, "16", "tensorrt", {"batch": 16, "width_rule": ASPECT, "profiles": 3})


def check_bundle(made: Recognised) -> None:
    """The program and the library read the golden words; no text of the bundle names a place of this machine."""
    assert self_test(made.bundle) is None
    words = read_json(made.bundle / "golden/words.json")
    files = [made.bundle / "golden" / word["file"] for word in words]
    expected = [word["text"] for word in words]
    read = program(made.bundle)
    assert [row[1] for row in read.read(read.open_model(made.bundle, read.FACTS), files)] == expected
    with Recogniser.open(made.bundle) as recogniser:
        assert [reading.text for reading in recogniser.read(files)] == expected
    for path in (path for path in made.bundle.rglob("*") if path.suffix in {".py", ".md", ".json"}):
        assert str(made.folder.parent) not in path.read_text(), path


@pytest.mark.parametrize("shapes", SHAPES)
def test_a_bundle_of_an_npu_reads_its_golden_words(
    shapes: str, doubles: None, toolkit: Toolkit, tmp_path: Path
) -> None:
    made = on_ascend(tmp_path / "made", toolkit, shapes)
    facts = read_json(made.bundle / "recogniser.json")["runtime"]
    assert (facts["build"]["cann"], facts["build"]["soc_version"]) == ("8.0.RC3", "Ascend310P3")
    check_bundle(made)


@pytest.mark.parametrize("version", ["10.16.1.11", "11.4.0.106"])
def test_a_bundle_of_a_gpu_reads_its_golden_words(
    version: str, packages: Use, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TENSORRT_DOUBLE_VERSION", version)
    packages(PACKAGES_NVIDIA)
    made = on_nvidia(tmp_path / "made")
    facts = read_json(made.bundle / "recogniser.json")["runtime"]
    assert (facts["build"]["tensorrt"], facts["build"]["gpu"]["name"]) == (version, "Simulated GPU")
    check_bundle(made)


@pytest.mark.parametrize("device", ["ascend", "tensorrt"])
def test_the_program_runs_beside_its_toolchain_alone(
    device: str, packages: Use, toolkit: Toolkit, tmp_path: Path
) -> None:
    folders = {"ascend": PACKAGES, "tensorrt": PACKAGES_NVIDIA}
    packages(folders[device])
    made = on_ascend(tmp_path / "made", toolkit, "range") if device == "ascend" else on_nvidia(tmp_path / "made")
    command = [sys.executable, str(made.bundle / "read.py"), "--self-test"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=import_path(folders[device]))
    assert (done.returncode, done.stdout) == (0, "every golden word is read as it was\n"), done.stderr


@pytest.mark.parametrize("device", ["ascend", "tensorrt"])
def test_without_the_toolchain_the_library_refuses_in_a_line(
    device: str, packages: Use, toolkit: Toolkit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as there:
        there.syspath_prepend(str({"ascend": PACKAGES, "tensorrt": PACKAGES_NVIDIA}[device]))
        made = on_ascend(tmp_path / "made", toolkit, "range") if device == "ascend" else on_nvidia(tmp_path / "made")
    packages()  # forgets what was imported
    with pytest.raises(UserError, match=rf"^runtime {device}: .*is not installed here.*$"):
        Recogniser.open(made.bundle)


def test_an_engine_of_another_gpu_is_refused_in_a_line(
    packages: Use, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages(PACKAGES_NVIDIA)
    made = on_nvidia(tmp_path / "made")
    monkeypatch.setenv("GPU_DOUBLE_NAME", "Another GPU")
    with pytest.raises(UserError, match=r"the engine was built for Simulated GPU .* and here is Another GPU"):
        Recogniser.open(made.bundle)
