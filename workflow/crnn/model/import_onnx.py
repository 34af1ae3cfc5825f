"""Foreign ONNX files to the one form of every model (`crnn.model.contract`), by nodes around their graph.

The config says what the foreign graph takes and gives, and that is held against what it does, as far as it shows.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnx_graphsurgeon as gs

from crnn.core.command import LOG
from crnn.core.errors import UserError
from crnn.core.files import what_it_is
from crnn.model.contract import INPUT, NEWEST_IR, OPSETS, OUTPUT, Contract, Input, Output, Steps
from crnn.model.opset import keep_used_domains, opset_of
from crnn.model.pattern import add_node, add_with_integers, produced_by

Array = npt.NDArray[np.float32]
Run = Callable[[Array], Array]  # the foreign model: images as it takes them to its output as it gives it

LEAST = np.float32(1e-30)  # what a probability counts as at least: float32 has no logarithm of 0
TIGHT = 1e-3  # how near to 1 the probabilities of a time step add up


@dataclass(frozen=True)
class Foreign:
    """A foreign model as found: its one input and output by name, and the axes of the input that are fixed."""

    model: onnx.ModelProto
    input: str
    output: str
    batch: int | None
    width: int | None


def read_foreign(path: Path, expected: Input) -> Foreign:
    """Read an ONNX file that takes images as `expected`. Raises UserError that says what it takes instead."""
    model = _load(path)
    weights = {entry.name for entry in model.graph.initializer}
    inputs = [entry for entry in model.graph.input if entry.name not in weights]
    if len(inputs) != 1:
        raise UserError(f"{path}: has the inputs {_names(inputs)}; expected one, the images")
    (images,) = inputs
    kind = images.type.tensor_type
    shape = [size if (size := int(each.dim_value)) > 0 else None for each in kind.shape.dim]
    if kind.elem_type != onnx.TensorProto.FLOAT:
        name = onnx.TensorProto.DataType.Name(kind.elem_type).lower()
        raise UserError(f"{path}: its input {images.name} is {name}; expected float32. Export the model in float32")
    if len(shape) != 4:
        raise UserError(f"{path}: its input {images.name} has {len(shape)} axes; expected [N, channels, height, W]")
    batch, channels, height, width = shape
    for key, found, told in (("channels", channels, expected.channels), ("height", height, expected.height)):
        if found not in (None, told):
            raise UserError(
                f"{path}: takes images [{', '.join(str(size or '?') for size in shape)}], and models.<name>.input."
                f"{key} is {told}; set it to {found}, or export the model for images [N, channels, height, W]"
            )
    if batch not in (None, 1):
        raise UserError(
            f"{path}: takes {batch} images in every call; export it with a free batch axis, or for one image"
        )
    return Foreign(model, images.name, _output(model, path), batch, width)


def _load(path: Path) -> onnx.ModelProto:
    if not path.is_file():
        raise UserError(f"{path}: no such ONNX file")
    try:
        model = onnx.load(path)
    except Exception as error:  # protobuf's own, and of weights that lie beside the file
        raise UserError(f"{path}: is no readable ONNX file ({what_it_is(path) or error})") from error
    if not model.graph.node:
        raise UserError(f"{path}: is no ONNX model ({what_it_is(path) or 'it has no nodes'})")
    return model


def _output(model: onnx.ModelProto, path: Path) -> str:
    """The one output, or of several the one of three axes."""
    outputs = list(model.graph.output)
    of_steps = [entry for entry in outputs if len(entry.type.tensor_type.shape.dim) == 3]
    chosen = outputs if len(outputs) == 1 else of_steps
    if len(chosen) != 1:
        raise UserError(
            f"{path}: has the outputs {_names(outputs)}; expected one of [T, N, classes] or [N, T, classes]"
        )
    return str(chosen[0].name)


def _names(entries: list[onnx.ValueInfoProto]) -> str:
    return ", ".join(entry.name for entry in entries) or "none"


# --- held against what the model does ----------------------------------------------------------------------


def as_taken(images: Array, expected: Input) -> Array:
    """Tensors of the one form, as the foreign model takes its images."""
    planes = np.repeat(images, expected.channels, axis=1) if expected.colour == "gray" else images
    ordered = planes[:, ::-1] if expected.colour == "rgb" else planes
    scale, shift = (np.array(each, np.float32)[:, None, None] for each in zip(*expected.affine, strict=True))
    return np.ascontiguousarray(ordered * scale + shift)


def expected_output(run: Run, contract: Contract, kept: Sequence[int] | None = None) -> Run:
    """The model in the one form, computed beside the graph: what the adapted file has to give; kept: as `adapted`."""

    def model(images: Array) -> Array:
        output = run(as_taken(images, contract.input))
        steps = output.transpose(1, 0, 2) if contract.output.axes == "NTC" else output
        if contract.output.values == "probabilities":
            steps = np.log(np.maximum(steps, LEAST))
        steps = np.roll(steps, 1, axis=2) if contract.output.blank == "last" else steps
        if kept is None and contract.output.values != "logits":
            return steps
        among = steps if kept is None else steps[:, :, kept]
        highest = among - among.max(axis=2, keepdims=True)
        result: Array = highest - np.log(np.exp(highest).sum(axis=2, keepdims=True))
        return result

    return model


def examined(run: Run, foreign: Foreign, told: Contract, blank: str) -> Contract:
    """The contract, with what running the model shows: its fixed axes, its time steps and, for `auto`, its blank.

    Raises UserError where the output is another one than told: other axes, classes or values.
    """
    contract = replace(told, batch=foreign.batch, width=foreign.width)
    plain = np.stack([np.full(_image_shape(contract), level, np.float32) for level in (-1, 0, 1)])
    outputs = [run(as_taken(image[None], contract.input)) for image in plain]
    for output in outputs:
        _check_axes(output, contract.output)
    steps = np.concatenate([output.reshape(-1, output.shape[2]) for output in outputs])
    _check_values(steps, contract.output)
    contract.charset.check_classes(steps.shape[1])
    found = _blank(steps) if blank == "auto" else blank
    output_form = replace(contract.output, blank="last" if found == "last" else "first")
    return replace(contract, output=output_form, steps=_steps(run, contract))


def _image_shape(contract: Contract, width: int = 160) -> tuple[int, int, int]:
    return contract.input.tensor_channels, contract.input.height, contract.width or width


def _check_axes(output: Array, told: Output) -> None:
    """Of one image, the axis of the batch has the size 1."""
    if output.ndim != 3:
        raise UserError(f"the model's output for one image is {list(output.shape)}; expected three axes")
    if output.shape[told.axes.index("N")] != 1:
        other = "NTC" if told.axes == "TNC" else "TNC"
        raise UserError(
            f"the model's output for one image is {list(output.shape)}, and models.<name>.output.axes is {told.axes}; "
            f"set it to {other}"
        )


def _check_values(steps: Array, told: Output) -> None:
    """steps: [any, classes]. Logits that happen to be probabilities would make every confidence wrong."""
    if not np.isfinite(steps).all():
        raise UserError("the model's output for a plain image is not a number (NaN or infinite)")
    if _adds_up(steps):
        seen = "probabilities"
    elif steps.max() <= TIGHT and _adds_up(np.exp(steps)):
        seen = "log-probabilities"
    else:
        seen = "logits"
    if seen != told.values and (seen, told.values) != ("log-probabilities", "logits"):
        raise UserError(f"the model gives {seen}, and models.<name>.output.values is {told.values}; set it to {seen}")


def _adds_up(steps: Array) -> bool:
    return bool(steps.min() >= 0 and np.abs(steps.sum(axis=1) - 1).max() < TIGHT)


def _blank(steps: Array) -> str:
    """Where the blank is, by what the model reads where there is nothing to read; first, where that says nothing."""
    best, last = steps.argmax(axis=1), steps.shape[1] - 1
    found = "last" if (best == last).all() else "first"
    sure = found == "last" or bool((best == 0).all())
    LOG.info("blank: %s (%s)", found, "read on plain images" if sure else "the usual place; plain images do not tell")
    return found


def _steps(run: Run, contract: Contract) -> Steps | None:
    """The formula of the time steps, from those of several widths."""

    def counted(width: int) -> int:
        images = np.zeros((1, *_image_shape(contract, width)), np.float32)
        return int(run(as_taken(images, contract.input)).shape[contract.output.axes.index("T")])

    return Steps.of(counted) if contract.width is None else Steps.of(counted, [contract.width])


# --- the nodes ---------------------------------------------------------------------------------------------


def adapted(foreign: Foreign, contract: Contract, opset: int, kept: Sequence[int] | None = None) -> onnx.ModelProto:
    """The model in the one form, with the contract in its metadata; brought to `opset` where onnx's converter can.

    kept: the classes of the foreign model, its blank as 0, that the contract's charset is of, where not of all.
    """
    model = _at_opset(foreign.model, opset)
    graph = gs.import_onnx(model)
    tensors = graph.tensors()
    for name in {INPUT, OUTPUT} & tensors.keys():  # names that are ours in the result
        tensors[name].name = f"foreign/{name}"
    images = gs.Variable(INPUT, np.float32, [contract.batch or "N", *_image_shape(contract)[:2], contract.width or "W"])
    given, fed = tensors[foreign.input], _fed(graph, images, contract.input)
    for reader in list(given.outputs):
        reader.inputs = [fed if tensor is given else tensor for tensor in reader.inputs]
    classes = contract.charset.classes
    steps = _given(graph, tensors[foreign.output], contract.output, classes, kept)
    steps.name, steps.dtype, steps.shape = OUTPUT, np.float32, ["T", contract.batch or "N", classes]
    graph.inputs, graph.outputs = [images], [steps]
    result: onnx.ModelProto = gs.export_onnx(graph.cleanup().toposort())
    result.ir_version = min(foreign.model.ir_version, NEWEST_IR) if opset_of(result) <= OPSETS[-1] else model.ir_version
    onnx.helper.set_model_props(result, contract.metadata())
    keep_used_domains(result)
    onnx.checker.check_model(result, full_check=True)
    return result


def normalised_tensors(model: onnx.ModelProto) -> list[str]:
    """What the Softmax nodes of a model read: up to opset 12 they flatten it, so its number of axes has to be known."""
    return [node.input[0] for node in model.graph.node if node.op_type in ("Softmax", "LogSoftmax")]


def note_ranks(model: onnx.ModelProto, found: Mapping[str, Array]) -> None:
    """Note how many axes the tensors found in a model have: its converter writes better nodes where it knows that."""
    noted = {entry.name for entry in (*model.graph.value_info, *model.graph.output)}
    model.graph.value_info.extend(
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [None] * tensor.ndim)
        for name, tensor in found.items()
        if name not in noted
    )


def _at_opset(model: onnx.ModelProto, opset: int) -> onnx.ModelProto:
    if opset_of(model) == opset:
        return model
    try:
        return onnx.version_converter.convert_version(model, opset)
    except Exception as error:  # RuntimeError, and what the converter's C++ raises besides
        LOG.warning(
            "its opset stays %d: onnx's converter cannot bring it to %d (%s). ATC reads %s",
            *(opset_of(model), opset, str(error).strip().splitlines()[0], ", ".join(map(str, OPSETS))),
        )
        return model


def _fed(graph: gs.Graph, images: gs.Variable, told: Input) -> gs.Tensor:
    """From `imgs` to what the foreign model takes."""
    tensor: gs.Tensor = images
    add = partial(add_node, graph, "entry")
    if told.colour == "rgb":
        tensor = add("Concat", *reversed(_split(graph, "entry", tensor, 1, [1, 1, 1])), axis=1)
    if told.colour == "gray" and told.channels > 1:
        tensor = add("Concat", *[tensor] * told.channels, axis=1)
    scale, shift = (np.array(each, np.float32).reshape(1, -1, 1, 1) for each in zip(*told.affine, strict=True))
    if (scale != 1).any():
        tensor = add("Mul", tensor, scale)
    if (shift != 0).any():
        tensor = add("Add", tensor, shift)
    return tensor


def _given(graph: gs.Graph, foreign: gs.Tensor, told: Output, classes: int, kept: Sequence[int] | None) -> gs.Variable:
    """From what the foreign model gives to log-probabilities.

    LogSoftmax of what a Softmax reads says more than its logarithm, and spares a pass over all classes.
    """
    add = partial(add_node, graph, "exit")
    are_probabilities, tensor = told.values == "probabilities", foreign
    softmax = produced_by(foreign, "Softmax")
    usual = -1 if graph.opset >= 13 else 1  # the axis that is not written down
    if are_probabilities and softmax is not None and softmax.attrs.get("axis", usual) in (-1, 2):
        are_probabilities, tensor = False, softmax.inputs[0]
    if kept is not None:
        if are_probabilities:
            are_probabilities, tensor = False, add("Log", add("Max", tensor, np.array(LEAST)))
        order = [*kept] if told.blank == "first" else [*(place - 1 for place in kept[1:]), -1]
        tensor = add("Gather", tensor, np.array(order), axis=2)  # here, where the pass take_classes looks for it
    if told.axes == "NTC":
        tensor = add("Transpose", tensor, perm=[1, 0, 2])
    if told.blank == "last":
        tensor = add("Concat", *reversed(_split(graph, "exit", tensor, 2, [classes - 1, 1])), axis=2)
    return add("Log", add("Max", tensor, np.array(LEAST))) if are_probabilities else add("LogSoftmax", tensor, axis=2)


def _split(graph: gs.Graph, prefix: str, tensor: gs.Tensor, axis: int, sizes: list[int]) -> list[gs.Variable]:
    parts: list[gs.Tensor | str] = [f"{prefix}/part" for _ in sizes]
    return add_with_integers(graph, f"{prefix}/Split", "Split", tensor, parts, axis=axis, split=sizes)
