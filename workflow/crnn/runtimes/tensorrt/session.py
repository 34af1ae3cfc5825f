"""Running an engine: slots, each a stream with its own memory, in which calls of several threads overlap on the GPU.

A call copies its images into pinned memory, enqueues the copy to the GPU, the network and the copy of just its own
output back, and waits for them once.
"""

import queue
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from crnn.core.command import LOG
from crnn.core.errors import UserError
from crnn.runtimes.on_device import OnDevice, calls_on_device, is_double
from crnn.runtimes.shapes import Form
from crnn.runtimes.tensorrt.engine import SHORT_OF_MEMORY
from crnn.runtimes.tensorrt.gpu import BYTES, Array, Gpu, Launch, OutOfMemoryError
from crnn.runtimes.tensorrt.library import last_errors, listening_logger, needs_gpu, version_numbers
from crnn.runtimes.tensorrt.profiles import Profiles, Shape
from crnn.runtimes.tensorrt.settings import RunSettings

Facts = dict[str, Any]  # of conversion.json
MOST_GRAPHS = 64  # kept in a slot; every further shape is enqueued anew in each call
AMPERE = (8, 0)


def check_origin(trt: Any, device: Gpu, facts: Facts) -> None:
    """Raise UserError where an engine was built by another TensorRT or for another GPU than are here."""
    here, built = device.facts(), facts["gpu"]
    rebuild = "build it again on this machine: take its build folder away, or rerun with -R build_tensorrt"
    versions = version_numbers(trt.__version__), version_numbers(facts["tensorrt"])
    newer_minor = versions[0][0] == versions[1][0] and versions[0] >= versions[1]
    if versions[0] != versions[1] and not ("VERSION_COMPATIBLE" in facts["flags"] and newer_minor):
        raise UserError(
            f"the engine was built by TensorRT {facts['tensorrt']}, and here is {trt.__version__}; {rebuild}, or build "
            f"it with options.version_compatible, which a later TensorRT of the same major then loads"
        )
    fits = {
        "none": here.name == built["name"] and here.compute_capability == built["compute_capability"],
        "same": here.compute_capability == built["compute_capability"],
        "ampere+": version_numbers(here.compute_capability) >= AMPERE,
    }
    if not fits[facts["hardware_compatibility"]]:
        raise UserError(
            f"the engine was built for {built['name']} (compute capability {built['compute_capability']}), and here is "
            f"{here.name} ({here.compute_capability}); {rebuild}, or build it with options.hardware_compatibility"
        )


class Engine:
    """A deserialised engine, the names of its input and output, and contexts to run it in."""

    def __init__(self, trt: Any, engine: bytes, facts: Facts) -> None:
        self._trt, self._logger = trt, listening_logger(trt)
        with needs_gpu(trt, self._logger):
            self._runtime = trt.Runtime(self._logger)
        self._runtime.engine_host_code_allowed = "VERSION_COMPATIBLE" in facts["flags"]
        self._engine = self._runtime.deserialize_cuda_engine(engine)
        if self._engine is None:
            raise self.fault("TensorRT cannot load the engine", "build it again on this machine")
        self.profiles, self.form = Profiles.from_facts(facts["profiles"]), Form.from_facts(facts)
        self.input, self.output = self._names()
        self.classes = int(tuple(self._engine.get_tensor_shape(self.output))[-1])

    def fault(self, what: str, remedy: str) -> Exception:
        """An error with what TensorRT logged: of memory, where that is what it lacked, and else of the user's."""
        said = last_errors(self._logger.errors)
        self._logger.errors.clear()
        if SHORT_OF_MEMORY.search(said):
            return OutOfMemoryError(said)
        return UserError(f"{what} ({said}); {remedy}")

    def _names(self) -> tuple[str, str]:
        engine, trt = self._engine, self._trt
        names: dict[Any, list[str]] = {trt.TensorIOMode.INPUT: [], trt.TensorIOMode.OUTPUT: []}
        for index in range(engine.num_io_tensors):
            name = engine.get_tensor_name(index)
            names[engine.get_tensor_mode(name)].append(name)
            if engine.get_tensor_dtype(name) != trt.DataType.FLOAT:
                raise UserError(
                    f"the engine's {name} is {engine.get_tensor_dtype(name)}; expected float32, which an ONNX file of "
                    f"another precision keeps for its input and output, too"
                )
        inputs, outputs = names.values()
        if len(inputs) != 1 or len(outputs) != 1:
            raise UserError(f"the engine has inputs {inputs} and outputs {outputs}; expected one of each")
        return inputs[0], outputs[0]

    def context(self, profile: int, handle: int) -> Any:
        """A context for a profile, whose scratch memory the caller provides."""
        strategy = self._trt.ExecutionContextAllocationStrategy.USER_MANAGED
        context = self._engine.create_execution_context(strategy)
        if context is None or not context.set_optimization_profile_async(profile, handle):
            raise self.fault(f"TensorRT makes no context for profile {profile}", "see the log")
        return context

    def scratch_bytes(self, profile: int) -> int:
        """Bytes of scratch memory that any shape of a profile needs at most."""
        return int(self._engine.get_device_memory_size_for_profile_v2(profile))

    def set_shape(self, context: Any, shape: Shape) -> tuple[int, ...]:
        """Set a context's input shape, and return its output's, which is the network's, or this is another network."""
        if not context.set_input_shape(self.input, shape) or context.infer_shapes():
            raise self.fault(
                f"TensorRT does not take images {list(shape)}, though the engine covers {self.profiles.described()}",
                "was one of model.engine and conversion.json exchanged by hand?",
            )
        found = tuple(context.get_tensor_shape(self.output))
        steps = self.form.steps(shape[3]) if self.form.steps else found[0]
        expected = (steps, shape[0], self.classes)
        if found != expected:
            raise UserError(
                f"images {list(shape)} would give an output of {list(found)}; expected {list(expected)}. Was the "
                f"engine made from another network's ONNX file?"
            )
        return found

    def release(self) -> None:
        """Give back the weights; what was made of the engine must be gone."""
        self._engine = None
        self._runtime = None


@dataclass
class Prepared:
    """A context with its addresses set. own: whether it is for one shape, and may be captured."""

    context: Any
    own: bool
    shape: Shape | None = None
    output_shape: tuple[int, ...] = ()
    has_run: bool = False
    launch: Launch | None = None


class Slot:
    """A stream, memory for the largest call on both sides, and a context per profile (with graphs: per shape)."""

    def __init__(self, device: Gpu, model: Engine, batch: int, graphs: bool, held: ExitStack) -> None:
        """`held` gives the memory back."""
        self._device, self._model, self._graphs = device, model, graphs
        self._contexts: dict[int | Shape, Prepared] = {}
        self._stream = device.stream()
        self._events = [device.event() for _ in range(4)]
        profiles = [(index, min(each.batch, batch), each.high) for index, each in enumerate(model.profiles.each)]
        images = max(prod(model.form.images(count, width)) for _, count, width in profiles)
        steps = max(model.form.most_steps(width) * count * model.classes for _, count, width in profiles)
        self._reduced = any(each.batch > batch for each in model.profiles.each)
        self._input, self._output = self._allocated(images * BYTES, held), self._allocated(steps * BYTES, held)
        self._images, self._steps = self._pinned(images, held), self._pinned(steps, held)
        self._scratch_bytes = max(self._scratch_for(*each) for each in profiles)
        self._scratch = self._allocated(max(self._scratch_bytes, 1), held)
        held.callback(self._contexts.clear)  # contexts and graphs go before the memory that they work in

    def _allocated(self, size: int, held: ExitStack) -> int:
        address, free = self._device.allocate(size)
        held.callback(free)
        return address

    def _pinned(self, count: int, held: ExitStack) -> Array:
        array, free = self._device.pinned(count)
        held.callback(free)
        return array

    def _scratch_for(self, profile: int, batch: int, width: int) -> int:
        """Bytes of scratch memory for a profile, or for no more than `batch` words of it."""
        if not self._reduced:
            return self._model.scratch_bytes(profile)
        context = self._model.context(profile, self._device.handle(self._stream))
        self._model.set_shape(context, self._model.form.images(batch, width))
        return int(context.update_device_memory_size_for_shapes())

    def call(self, words: Array, profile: int) -> tuple[Array, tuple[float, float, float]]:
        """Read words [N, channels, height, W] of any memory layout.

        Returns float32 [T, N, classes], no memory of the slot's, and the seconds of copying in, the network and copying
        out.
        """
        device, stream, (begun, copied, executed, done) = self._device, self._stream, self._events
        prepared = self._prepared(profile, words.shape)
        images, steps = self._images[: words.size], self._steps[: prod(prepared.output_shape)]
        np.copyto(images.reshape(words.shape), words)
        device.record(begun, stream)
        device.copy_in(self._input, images, stream)
        device.record(copied, stream)
        self._enqueue(prepared)
        device.record(executed, stream)
        device.copy_out(steps, self._output, stream)
        device.record(done, stream)
        device.synchronize(stream)
        into, execute, out = (device.seconds(*pair) for pair in pairwise(self._events))
        return steps.reshape(prepared.output_shape).copy(), (into, execute, out)

    def _prepared(self, profile: int, shape: Shape) -> Prepared:
        """The context for a call, with its shape set.

        A captured graph needs a context to itself (TensorRT documentation, "CUDA Graphs"), whose key is its shape.
        """
        own = self._graphs and (shape in self._contexts or len(self._contexts) < MOST_GRAPHS)
        key = shape if own else profile
        if key not in self._contexts:
            self._contexts[key] = Prepared(self._new_context(profile), own)
        prepared = self._contexts[key]
        if prepared.shape != shape:
            output_shape = self._model.set_shape(prepared.context, shape)
            if self._reduced:
                self._give_scratch(prepared.context, int(prepared.context.update_device_memory_size_for_shapes()))
            prepared.shape, prepared.output_shape = shape, output_shape
        return prepared

    def _new_context(self, profile: int) -> Any:
        context = self._model.context(profile, self._device.handle(self._stream))
        context.set_tensor_address(self._model.input, self._input)
        context.set_tensor_address(self._model.output, self._output)
        if not self._reduced:
            self._give_scratch(context, self._scratch_bytes)
        return context

    def _give_scratch(self, context: Any, needed: int) -> None:
        if needed > self._scratch_bytes:
            raise UserError(
                f"TensorRT wants {needed} bytes of scratch memory for a shape, and {self._scratch_bytes} for the "
                f"largest; give the deployment a smaller batch"
            )
        context.set_device_memory(self._scratch, self._scratch_bytes)

    def _enqueue(self, prepared: Prepared) -> None:
        """Put the network into the stream: by its graph, which is captured in the second call of a shape."""
        if self._graphs and prepared.own and prepared.has_run and prepared.launch is None:
            prepared.launch = self._device.capture(self._stream, lambda: self._execute(prepared.context))
            self._graphs = prepared.launch is not None
        if prepared.launch is not None:
            prepared.launch()
            return
        self._execute(prepared.context)
        prepared.has_run = True

    def _execute(self, context: Any) -> None:
        if not context.execute_async_v3(self._device.handle(self._stream)):
            raise self._model.fault("TensorRT cannot run the engine", "see the log, and `nvidia-smi`")


class TensorRtSession(OnDevice):
    """An engine on one GPU. `infer` may be called from several threads: `calls` of them are served at a time."""

    def __init__(
        self,
        trt: Any,
        device: Gpu,
        file: Path,
        facts: dict[str, Any],
        settings: RunSettings,
        calls: int,
        held: ExitStack,
    ) -> None:
        """`held` closes the device, and what is opened here."""
        self._trt, self._device, self._facts, self._settings = trt, device, facts, settings
        self._free: queue.SimpleQueue[Slot] = queue.SimpleQueue()
        self._executions: list[float] = []
        try:
            with device.current():
                check_origin(trt, device, facts)
                self._room = device.room()
                self._model = Engine(trt, file.read_bytes(), facts)
                self._memory = ExitStack()
                held.callback(self._release)
                self.calls, self._batch = self._make_slots(min(calls, settings.streams))
        except OutOfMemoryError as error:
            raise UserError(
                f"the GPU has no memory left for one word at a time ({error}); see `nvidia-smi` for what else uses it, "
                f"or build for narrower widths, in several options.profiles, with options.resizable_memory"
            ) from error
        super().__init__(held)

    def _release(self) -> None:
        """Give back what lies in the GPU's memory, in the context that it was made in."""
        with self._device.current():
            self._memory.close()
            self._free = queue.SimpleQueue()
            self._model.release()

    def _make_slots(self, wanted: int) -> tuple[int, int]:
        """Make as many slots as asked for, of the largest batch; where memory is short, one, of a half, a quarter, …

        Returns their number, and the batch that they take.
        """
        largest = max(each.batch for each in self._model.profiles.each)
        slots, batch = wanted, largest
        while self._free.empty():
            try:
                with ExitStack() as memory:
                    graphs = self._settings.cuda_graphs
                    made = [Slot(self._device, self._model, batch, graphs, memory) for _ in range(slots)]
                    self._memory = memory.pop_all()
                for slot in made:
                    self._free.put(slot)
            except OutOfMemoryError:
                if (slots, batch) == (1, 1):
                    raise
                slots, batch = 1, batch if slots > 1 else batch // 2
        if (slots, batch) != (wanted, largest):
            LOG.warning(
                "the GPU has too little memory for %d calls of %d words at a time; it serves %d of %d words",
                *(wanted, largest, slots, batch),
            )
        return slots, batch

    def infer(self, images: Array) -> Array:
        count, _, _, width = images.shape
        outputs = [
            self._call(images[start:stop], profile)
            for start, stop, profile in self._model.profiles.calls(count, width, self._batch)
        ]
        return outputs[0] if len(outputs) == 1 else np.concatenate(outputs, axis=1)

    def _call(self, words: Array, profile: int) -> Array:
        slot = self._free.get()
        try:
            with self._device.current():
                output, (into, execute, out) = slot.call(words, profile)
        except OutOfMemoryError as error:
            raise UserError(
                f"the GPU ran out of memory for images {list(words.shape)} ({error}); see `nvidia-smi` for what else "
                f"uses it, or give the deployment a smaller batch"
            ) from error
        finally:
            self._free.put(slot)
        self._add_transfer(into, out)
        self._executions.append(execute)
        return output

    def describe(self) -> dict[str, Any]:
        gpu = self._device.facts()
        with self._device.current():
            held = self._room - self._device.room()
        return {
            "device": gpu.name,
            "simulated": self._device.simulated or is_double(self._trt),
            "tensorrt": self._trt.__version__,
            "memory": self._device.package,
            "device_mib": held / 2**20,
            "compute_capability": gpu.compute_capability,
            "driver": gpu.driver,
            "cuda": gpu.cuda,
            "tf32": "TF32" in self._facts["flags"],
            "cuda_graphs": self._settings.cuda_graphs,
            "calls": self.calls,
            "batch": self._batch,
            **calls_on_device([seconds * 1e3 for seconds in self._executions]),
        }
