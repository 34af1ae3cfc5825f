"""A toolkit, a small network to convert, and the doubles where Python finds them."""

import sys
from collections.abc import Iterator
from pathlib import Path

import onnx
import pytest

from contract.toolkit import PACKAGES, PACKAGES_2023, Toolkit, Use, install
from crnn.model.export import export_onnx
from crnn.model.surgery import Step, operate
from examples import CONTRACT
from networks import small_network
from recognisers import Foreign
from stage_calls import call

DOUBLES = ("aclruntime", "ais_bench", "tensorrt", "pycuda", "cuda", "gpu_double")


@pytest.fixture
def toolkit(tmp_path: Path) -> Toolkit:
    return install(tmp_path / "cann")


@pytest.fixture(scope="session")
def fixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small network, exported and repaired."""
    folder = tmp_path_factory.mktemp("model")
    export_onnx(small_network(), CONTRACT, folder / "raw.onnx")
    passes = ["fold_constants", "drop_zero_states", "split_bidirectional", "reverse_direction", "prune_unused"]
    model, *_ = operate(onnx.load(folder / "raw.onnx"), [Step(name) for name in passes])
    onnx.save(model, folder / "fixed.onnx")
    return folder / "fixed.onnx"


@pytest.fixture(scope="session")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """raw.onnx of a recogniser of colour images of 48 rows, with contract.json beside it."""
    folder = tmp_path_factory.mktemp("imported")
    source = Foreign(height=48, channels=3).save(folder / "foreign.onnx")
    told = {"input": '{"height": 48, "channels": 3, "colour": "bgr"}', "charset": '"abcd"'}
    form = '{"axes": "NTC", "values": "probabilities"}'
    made = {"contract": folder / "contract.json", "output": folder / "raw.onnx", "record": folder / "raw.json"}
    call("import_onnx", source=source, model_output=form, **told, **made)
    return folder / "raw.onnx"


def forget() -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] in DOUBLES]:
        del sys.modules[name]


@pytest.fixture
def packages(monkeypatch: pytest.MonkeyPatch) -> Iterator[Use]:
    """A function that puts folders of packages on this Python's path, and takes what was imported away afterwards."""

    def use(*folders: Path) -> None:
        forget()
        for folder in reversed(folders):
            monkeypatch.syspath_prepend(str(folder))

    yield use
    forget()


GENERATIONS = {"since 2024": (PACKAGES,), "until 2023": (PACKAGES_2023, PACKAGES)}


@pytest.fixture(params=GENERATIONS)
def generation(request: pytest.FixtureRequest, packages: Use, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each generation of ais_bench's interface in turn."""
    if request.param == "until 2023":
        monkeypatch.setenv("ACLRUNTIME_OLD", "1")
    packages(*GENERATIONS[request.param])
    return str(request.param)


@pytest.fixture
def doubles(packages: Use) -> None:
    """The newer generation."""
    packages(PACKAGES)
