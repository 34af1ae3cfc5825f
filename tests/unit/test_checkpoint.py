"""Checkpoints: one network in every layout is one network, and what is no such checkpoint is refused by name."""

import json
import pickle
import subprocess
import sys
import tarfile
import warnings
import zipfile
from argparse import Namespace
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from crnn.core.errors import UserError
from crnn.core.files import read_json
from crnn.model.checkpoint import read_checkpoint
from crnn.model.layouts import StateDict
from crnn.model.network import NetworkSize
from crnn.model.weights import load_network, write_weights
from networks import (
    SMALL,
    images,
    run_network,
    separate_directions,
    small_network,
    swap_middle_gates,
)
from stage_calls import run_stage

ROOT = Path(__file__).parents[2]
Change = Callable[[StateDict], Any]


def weights() -> StateDict:
    return small_network().state_dict()


def save(path: Path, content: Any) -> Path:
    """Write a checkpoint as its suffix says."""
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif path.suffix == ".safetensors":
        safetensors.torch.save_file(content, path)
    else:
        torch.save(content, path)
    return path


# --- layouts -----------------------------------------------------------------------------------------------


def without_counters(state: StateDict) -> StateDict:
    return {name: tensor for name, tensor in state.items() if not name.endswith("num_batches_tracked")}


def as_npu_trained(state: StateDict) -> StateDict:
    return swap_middle_gates(separate_directions(state))


def as_views_of_one_buffer(state: StateDict) -> StateDict:
    """What cuDNN leaves: the LSTM weights are slices of one flat tensor, and are saved as such."""
    names = [name for name in state if "rnn.weight_" in name or "rnn.bias_" in name]
    flat = torch.cat([state[name].flatten() for name in names])
    parts = flat.split([state[name].numel() for name in names])
    return state | {name: part.view_as(state[name]) for name, part in zip(names, parts, strict=True)}


def channels_last(state: StateDict) -> StateDict:
    """How a GPU likes its convolutions: the same numbers in another order in memory."""
    moved = {name: tensor.to(memory_format=torch.channels_last) for name, tensor in state.items() if tensor.ndim == 4}
    return state | moved


LAYOUTS: dict[str, tuple[str, Change]] = {
    "one bidirectional LSTM per layer": ("crnn.pth", lambda state: state),
    "two LSTMs per layer, gates igfo": ("npu.pth", as_npu_trained),
    "module. prefixes": ("crnn.pt", lambda state: {f"module.{name}": tensor for name, tensor in state.items()}),
    "module. prefixes, two LSTMs": (
        "npu.pth",
        lambda state: {f"module.{name}": tensor for name, tensor in as_npu_trained(state).items()},
    ),
    "state_dict beside other things": ("a.pth", lambda state: {"epoch": 3, "state_dict": state, "lr": [1e-3]}),
    "model_state_dict": ("a.pth", lambda state: {"model_state_dict": OrderedDict(state), "optimizer": {}}),
    "model": ("a.pth", lambda state: {"model": state}),
    "in a tuple": ("a.pth", lambda state: (state, {"epoch": 3})),
    "another name": ("a.pth", lambda state: {"epoch": 3, "weights": state}),
    "a wrapper in a wrapper": ("a.pth", lambda state: {f"module.module.{name}": t for name, t in state.items()}),
    "compiled, within a Lightning module": (
        "a.ckpt",
        lambda state: {"state_dict": {f"model._orig_mod.{name}": tensor for name, tensor in state.items()}},
    ),
    "averaged by PyTorch": (
        "a.pth",
        lambda state: {"n_averaged": torch.tensor(9)} | {f"module.{name}": tensor for name, tensor in state.items()},
    ),
    "an epoch among the weights": ("a.pth", lambda state: state | {"epoch": 3, "note": "best"}),
    "settings beside the weights": (
        "a.pth",
        lambda state: {"state_dict": state, "args": Namespace(lr=1e-3), "best": np.float64(0.9), "from": Path("/data")},
    ),
    "a suffix that is another's": ("a.bin", safetensors.torch.save),
    "safetensors": ("a.safetensors", lambda state: state),
    "safetensors, two LSTMs": ("a.safetensors", as_npu_trained),
    "no batch counters": ("old.pth", without_counters),
    "slices of one buffer": ("cudnn.pth", as_views_of_one_buffer),
    "channels last": ("amp.pth", channels_last),
    "double precision": ("a.pth", lambda state: {name: tensor.double() for name, tensor in state.items()}),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_of_one_network_reads_the_same(layout: str, tmp_path: Path) -> None:
    name, change = LAYOUTS[layout]
    network = small_network()
    imported = read_checkpoint(save(tmp_path / name, change(network.state_dict())), SMALL)
    write_weights(imported.state, SMALL, tmp_path / "weights.safetensors")
    loaded = load_network(tmp_path / "weights.safetensors")
    for key, tensor in network.state_dict().items():
        if not key.endswith("num_batches_tracked"):
            torch.testing.assert_close(loaded.state_dict()[key], tensor, rtol=0, atol=0)
    words = images(2, 100)
    np.testing.assert_array_equal(run_network(loaded, words), run_network(network, words))


@pytest.mark.parametrize("name", ["half.pth", "half.safetensors"])
def test_half_precision_is_read_as_float32(name: str, tmp_path: Path) -> None:
    state = {key: tensor.half() if tensor.is_floating_point() else tensor for key, tensor in weights().items()}
    imported = read_checkpoint(save(tmp_path / name, state), SMALL)
    for key, tensor in weights().items():
        expected = tensor.half().float() if tensor.is_floating_point() else tensor
        torch.testing.assert_close(imported.state[key], expected, rtol=0, atol=0)


def test_equal_weights_are_written_as_equal_files(tmp_path: Path) -> None:
    bidirectional = read_checkpoint(save(tmp_path / "a.pth", weights()), SMALL).state
    separate = read_checkpoint(save(tmp_path / "b.pth", as_npu_trained(weights())), SMALL).state
    write_weights(bidirectional, SMALL, tmp_path / "a.safetensors")
    write_weights(separate, SMALL, tmp_path / "b.safetensors")
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


def test_the_file_remembers_the_size_of_its_network(tmp_path: Path) -> None:
    size = NetworkSize((2, 2, 3, 3, 4, 4, 5), hidden=6, classes=11)
    write_weights(small_network(size=size).state_dict(), size, tmp_path / "weights.safetensors")
    assert run_network(load_network(tmp_path / "weights.safetensors"), images(1, 32)).shape == (9, 1, 11)


def test_the_shipped_checkpoint_is_read() -> None:
    paths = sorted((ROOT / "resources" / "checkpoints").glob("*/weights.safetensors"))
    assert paths
    for path in paths:
        assert read_checkpoint(path, NetworkSize()).layout == "shi"


# --- several networks in one file --------------------------------------------------------------------------


def both(state: StateDict) -> tuple[StateDict, StateDict]:
    """A network's weights, and others of the same shapes."""
    return state, {name: tensor + 1 for name, tensor in state.items()}


def behind(prefix: str, state: StateDict) -> StateDict:
    return {f"{prefix}.{name}": tensor for name, tensor in state.items()}


SEVERAL: dict[str, tuple[Change, str, str]] = {
    "an average beside it": (lambda s: {"state_dict_ema": both(s)[1], "state_dict": s}, "state_dict", "state_dict_ema"),
    "an average of another name": (lambda s: {"ema": {"module": both(s)[1]}, "net": s}, "net", "ema.module"),
    "two in one": (
        lambda s: {"state_dict": behind("ema_model", both(s)[1]) | behind("model", s)},
        "state_dict.model",
        "state_dict.ema_model",
    ),
}


@pytest.mark.parametrize("case", SEVERAL)
def test_the_record_says_which_of_several_networks_was_taken(case: str, tmp_path: Path) -> None:
    change, taken, other = SEVERAL[case]
    results = stage(save(tmp_path / "a.pth", change(weights())), tmp_path)["results"]
    assert (results["taken"], results["others"]) == (taken, [other])
    torch.testing.assert_close(load_network(tmp_path / "weights.safetensors").state_dict(), weights(), rtol=0, atol=0)


def test_of_a_broken_network_the_others_in_its_file_are_named(tmp_path: Path) -> None:
    broken = weights() | {"cnn.conv0.bias": torch.full((4,), torch.nan)}
    path = save(tmp_path / "a.pth", {"state_dict": broken, "state_dict_ema": weights()})
    with pytest.raises(UserError, match=r"hold NaN.*: cnn\.conv0\.bias; .* The file also has state_dict_ema"):
        read_checkpoint(path, SMALL)


# --- gate order --------------------------------------------------------------------------------------------


def test_a_given_gate_order_outranks_the_layouts_usual_one(tmp_path: Path) -> None:
    path = save(tmp_path / "a.pth", separate_directions(weights()))
    right = read_checkpoint(path, SMALL, gate_order="ifgo").state
    wrong = read_checkpoint(path, SMALL).state
    torch.testing.assert_close(right, weights(), rtol=0, atol=0)
    torch.testing.assert_close(wrong, swap_middle_gates(weights()), rtol=0, atol=0)


def test_a_bidirectional_checkpoint_may_hold_the_other_order_too(tmp_path: Path) -> None:
    path = save(tmp_path / "a.pth", swap_middle_gates(weights()))
    torch.testing.assert_close(read_checkpoint(path, SMALL, gate_order="igfo").state, weights(), rtol=0, atol=0)


def told(directory: Path) -> list[str]:
    """What the stage wants to know of a small network."""
    charset = json.dumps("0123456789abcdefghijklmnopqrstuvwxyz")
    return ["--network={}", "--input={}", f"--charset={charset}", f"--contract={directory / 'contract.json'}"]


def stage(checkpoint: Path, directory: Path, *options: str) -> dict[str, Any]:
    """Run the stage in this process and return its record."""
    paths = ["--checkpoint", str(checkpoint), "--output", str(directory / "weights.safetensors")]
    record = directory / "weights.json"
    command = [*paths, "--record", str(record), *told(directory), *options]
    run_stage("import_checkpoint", command)
    content: dict[str, Any] = read_json(record)
    return content


@pytest.mark.parametrize(
    ("change", "options", "expected"),
    [
        (dict, [], ("shi", "ifgo", "default of the layout")),
        (as_npu_trained, [], ("separate", "igfo", "default of the layout")),
        (separate_directions, ["--gate-order=ifgo"], ("separate", "ifgo", "config")),
        (as_npu_trained, ["--gate-order=igfo", "--layout=separate"], ("separate", "igfo", "config")),
    ],
    ids=["shi", "separate", "order given", "both given"],
)
def test_the_record_says_what_was_decided_and_by_whom(
    change: Change, options: list[str], expected: tuple[str, str, str], tmp_path: Path
) -> None:
    results = stage(save(tmp_path / "a.pth", change(weights())), tmp_path, *options)["results"]
    assert (results["layout"], results["gate_order"], results["gate_order_from"]) == expected
    words = images(1, 64)
    loaded = load_network(tmp_path / "weights.safetensors")
    np.testing.assert_array_equal(run_network(loaded, words), run_network(small_network(), words))


# --- checkpoints that do not fit ---------------------------------------------------------------------------


def change_one(name: str, tensor: torch.Tensor) -> Change:
    return lambda state: state | {name: tensor}


def drop(*names: str) -> Change:
    return lambda state: {name: tensor for name, tensor in state.items() if name not in names}


MISFITS: dict[str, tuple[Change, list[str]]] = {
    "missing keys": (
        drop("cnn.conv3.bias", "rnn.1.rnn.weight_hh_l0"),
        ["does not fit the network of the layout shi", "2 missing: cnn.conv3.bias, rnn.1.rnn.weight_hh_l0"],
    ),
    "extra keys": (
        change_one("transformation.weight", torch.zeros(2)),
        ["1 unexpected: transformation.weight"],
    ),
    "wrong shape": (
        change_one("cnn.conv3.weight", torch.zeros(8, 3, 3, 3)),
        ["1 of another shape: cnn.conv3.weight is [8, 3, 3, 3] and not [8, 8, 3, 3]"],
    ),
    "colour images": (
        change_one("cnn.conv0.weight", torch.zeros(4, 3, 3, 3)),
        ["images of 3 channels", "set models.<name>.input.channels to 3", "gray for gray images"],
    ),
    "another class count": (
        lambda state: state | small_network(size=NetworkSize(SMALL.channels, SMALL.hidden, 95)).state_dict(),
        ["has 95 classes", "charset has 37", "36 characters and the blank", "set models.<name>.charset"],
    ),
    "a scalar classifier": (
        change_one("rnn.1.embedding.bias", torch.tensor(1.0)),
        ["rnn.1.embedding.bias is [] and not [37]"],
    ),
    "LSTM weights of six rows, two LSTMs": (
        lambda state: separate_directions(state) | {"rnn.0.fw_rnn.bias_ih_l0": torch.zeros(6)},
        ["rnn.0.rnn.bias_ih_l0 is [6] and not [32]"],
    ),
    "several faults at once": (
        lambda state: change_one("cnn.conv9.bias", torch.zeros(1))(drop("cnn.conv0.bias")(state)),
        ["1 missing: cnn.conv0.bias; 1 unexpected: cnn.conv9.bias"],
    ),
    "another network": (
        lambda state: {f"part{i}.weight": torch.zeros(1) for i in range(90)},
        ["its 90 tensors are named part0.weight, part1.weight, part2.weight, …"],
    ),
    "numbers that are none": (
        change_one("cnn.batchnorm4.running_var", torch.full((8,), torch.nan)),
        ["1 of its tensors hold NaN", "cnn.batchnorm4.running_var", "take an earlier checkpoint"],
    ),
    "a negative variance": (
        change_one("cnn.batchnorm4.running_var", torch.full((8,), -1.0)),
        ["negative variances: cnn.batchnorm4.running_var"],
    ),
    "complex numbers": (
        change_one("cnn.conv0.bias", torch.zeros(4, dtype=torch.complex64)),
        ["sparse, quantised, complex or empty (cnn.conv0.bias)"],
    ),
    "an unknown layout": (
        lambda state: {name.replace("rnn.", "lstm."): tensor for name, tensor in state.items()},
        ["is no known CRNN layout (shi, separate,", "cnn.conv0.weight", "docs/checkpoints.md"],
    ),
    "a list": (lambda state: list(state.values()), ["holds a list and no tensors", "expected a state dict"]),
    "one tensor": (lambda state: state["cnn.conv0.bias"], ["holds a Tensor and no tensors"]),
    "nothing": (lambda state: {}, ["holds a dict and no tensors", "expected a state dict"]),
}


@pytest.mark.parametrize("fault", MISFITS)
def test_a_checkpoint_that_does_not_fit_is_refused_with_the_reasons(fault: str, tmp_path: Path) -> None:
    change, reasons = MISFITS[fault]
    path = save(tmp_path / "a.pth", change(weights()))
    with pytest.raises(UserError) as error:
        read_checkpoint(path, SMALL)
    for part in [str(path), *reasons]:
        assert part in str(error.value)


def test_a_wrong_layout_in_the_config_is_an_error_that_lists_keys(tmp_path: Path) -> None:
    path = save(tmp_path / "a.pth", as_npu_trained(weights()))
    with pytest.raises(UserError, match=r"lacks rnn\.0\.rnn\.weight_hh_l0, which the layout shi has"):
        read_checkpoint(path, SMALL, layout="shi")


def zipped(path: Path, target: Path) -> None:
    with zipfile.ZipFile(target, "w") as archive:
        archive.write(path, path.name)


def tarred(path: Path, target: Path) -> None:
    with tarfile.open(target, "w") as archive:
        archive.add(path, path.name)


# --- files that are no checkpoint --------------------------------------------------------------------------

UNREADABLE = "is not a readable checkpoint"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
NOT_CHECKPOINTS = {
    "empty.pth": (b"", "is empty"),
    "empty.safetensors": (b"", "is empty"),
    "text.pth": (b"epoch 3, loss 0.1\n", UNREADABLE),
    "page.pth": (b"<!DOCTYPE html><title>404</title>", "is a web page"),
    "pointer.pth": (POINTER, "is a Git LFS pointer"),
    "pointer.safetensors": (POINTER, "is a Git LFS pointer, .*`git lfs pull` fetches it"),
    "garbage.pth": (bytes(range(256)) * 8, UNREADABLE),
    "garbage.safetensors": (bytes(range(256)) * 8, UNREADABLE),
    "archive.pth": (b"PK\x03\x04 and nothing more", UNREADABLE),
    "model.onnx": (b"\x08\x08\x12\x07pytorch", r"is an ONNX model, not a checkpoint; name it as models\.<name>\.onnx"),
    "model.pdparams": (
        pickle.dumps({"conv": 1}, protocol=4),
        "is a PaddlePaddle checkpoint; export it with paddle2onnx",
    ),
}


@pytest.mark.parametrize("name", NOT_CHECKPOINTS)
def test_a_file_of_another_kind_is_named_as_such(name: str, tmp_path: Path) -> None:
    content, reason = NOT_CHECKPOINTS[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=f"{name}: {reason}"):
        read_checkpoint(tmp_path / name, SMALL)


def test_a_newer_pickle_protocol_is_named_with_the_way_round(tmp_path: Path) -> None:
    torch.save(weights(), tmp_path / "a.pth", pickle_protocol=4)
    with pytest.raises(UserError, match=r"a\.pth: was saved with pickle protocol 4 or 5, .* without pickle_protocol"):
        read_checkpoint(tmp_path / "a.pth", SMALL)


def test_a_program_of_torchscript_is_told_the_way_in(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.trace(torch.nn.Linear(1, 1), torch.zeros(1, 1)), tmp_path / "a.pt")
    with pytest.raises(UserError, match=r"a\.pt: is a program of TorchScript .* Export it to ONNX"):
        read_checkpoint(tmp_path / "a.pt", SMALL)


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_weights_that_were_packed_once_more_are_named_as_such(
    pack: Callable[[Path, Path], None], tmp_path: Path
) -> None:
    pack(save(tmp_path / "a.pth", weights()), tmp_path / "packed.pth")
    with pytest.raises(UserError, match=r"packed\.pth: is an archive; unpack it"):
        read_checkpoint(tmp_path / "packed.pth", SMALL)


def test_a_truncated_checkpoint_is_named_as_such(tmp_path: Path) -> None:
    path = save(tmp_path / "a.pth", weights())
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(UserError, match=r"a\.pth: is not a readable checkpoint"):
        read_checkpoint(path, SMALL)


@example(b"")
@example(pickle.dumps({"a": 1}, protocol=2))
@example(pickle.dumps([1, 2, "three"], protocol=2)[:-3])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(st.binary(max_size=200), st.binary(max_size=100).map(b"\x80\x02}q\x00".__add__)))
def test_no_bytes_end_in_a_traceback(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "any.pth").write_bytes(content)
    with pytest.raises(UserError, match=r"any\.pth: "):
        read_checkpoint(tmp_path / "any.pth", SMALL)


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """A file that was cut off, overwritten, shifted or struck by single bits."""
    place = draw(st.integers(0, len(whole) - 1))
    match draw(st.sampled_from(["cut", "overwritten", "shifted", "bits"])):
        case "cut":
            return whole[:place]
        case "overwritten":
            piece = draw(st.binary(min_size=1, max_size=100))
            return whole[:place] + piece + whole[place + len(piece) :]
        case "shifted":
            return whole[:place] + draw(st.binary(min_size=1, max_size=20)) + whole[place:]
    bits = bytearray(whole)
    for bit in draw(st.lists(st.integers(0, 8 * len(whole) - 1), min_size=1, max_size=20)):
        bits[bit // 8] ^= 1 << bit % 8
    return bytes(bits)


@pytest.mark.slow
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["zip.pth", "legacy.pth", "a.safetensors"]), st.data())
def test_a_damaged_file_is_read_or_refused_in_one_line(tmp_path: Path, name: str, data: st.DataObject) -> None:
    whole = {
        "zip.pth": lambda path: torch.save({"state_dict": weights()}, path),
        "legacy.pth": lambda path: torch.save(weights(), path, _use_new_zipfile_serialization=False),
        "a.safetensors": lambda path: safetensors.torch.save_file(weights(), path),
    }
    path = tmp_path / name
    whole[name](path)
    path.write_bytes(data.draw(damaged(path.read_bytes())))
    told = f"{path}: "
    try:
        assert all(tensor.isfinite().all() for tensor in read_checkpoint(path, SMALL).state.values())
    except UserError as error:
        told = str(error)
    assert told.startswith(f"{path}: ")
    assert "\n" not in told


@pytest.mark.parametrize("name", ["nowhere.pth", "."])
def test_a_missing_file_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such checkpoint file"):
        read_checkpoint(tmp_path / name, SMALL)


@pytest.mark.parametrize("metadata", [None, {"format": "pt"}])
def test_only_imported_weights_are_loaded_as_a_network(metadata: dict[str, str] | None, tmp_path: Path) -> None:
    safetensors.torch.save_file(weights(), tmp_path / "a.safetensors", metadata)
    with pytest.raises(UserError, match=r"a\.safetensors: was not written by import_checkpoint"):
        load_network(tmp_path / "a.safetensors")


# --- files that would run code -----------------------------------------------------------------------------


class Trap:
    """Pickles as a call that leaves a file behind when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return (open, (str(self.marker), "w"))


def trapped(path: Path, marker: Path, form: str) -> Path:
    content: Any = weights() | {"trap": Trap(marker)}
    match form:
        case "zip":
            torch.save(content, path)
        case "legacy":
            torch.save(content, path, _use_new_zipfile_serialization=False)
        case "pickle":
            path.write_bytes(pickle.dumps({"trap": Trap(marker)}, protocol=2))
    return path


@pytest.mark.parametrize("form", ["zip", "legacy", "pickle"])
def test_a_pickle_that_would_run_code_is_refused_and_does_not_run(form: str, tmp_path: Path) -> None:
    marker = tmp_path / "it-ran"
    path = trapped(tmp_path / "trap.pth", marker, form)
    with pytest.raises(UserError, match=r"trap\.pth: refused, because it holds \S*open and .* would run code"):
        read_checkpoint(path, SMALL)
    assert not marker.exists()


def test_the_trap_is_a_real_one(tmp_path: Path) -> None:
    path = trapped(tmp_path / "trap.pth", tmp_path / "it-ran", "pickle")
    pickle.loads(path.read_bytes())["trap"].close()
    assert (tmp_path / "it-ran").exists()


def test_a_pickled_network_is_refused_without_advice_to_trust_it(tmp_path: Path) -> None:
    torch.save(small_network(), tmp_path / "whole.pth")
    with pytest.raises(UserError, match=r"holds crnn\.model\.network\.CRNN .* Save only the tensors") as error:
        read_checkpoint(tmp_path / "whole.pth", SMALL)
    assert "weights_only" not in str(error.value)
    assert "safe_globals" not in str(error.value)


def test_the_command_ends_with_one_line(tmp_path: Path) -> None:
    path = trapped(tmp_path / "trap.pth", tmp_path / "it-ran", "zip")
    paths = ["--checkpoint", path, "--output", tmp_path / "weights.safetensors", "--record", tmp_path / "weights.json"]
    stage = [ROOT / "workflow" / "stage.py", "import_checkpoint"]
    command = [sys.executable, *stage, *paths, *told(tmp_path)]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {path}: refused")
    assert done.stderr.count("\n") == 1
    assert [entry.name for entry in tmp_path.iterdir()] == ["trap.pth"]
