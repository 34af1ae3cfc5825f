"""A double of TensorRT's Python module, 10.16 or 11.4 (TENSORRT_DOUBLE_VERSION): an engine is the ONNX file behind a
line of JSON, and ONNX Runtime computes for the simulated GPU.

Its classes have only members that both versions have (test_tensorrt_names.py), and it is strict where the real one
leaves a mistake to chance: strong typing, shapes and addresses set before a run, buffers and scratch memory large
enough and not shared by streams, no default stream. Scratch memory is taken to grow with batch and width.

TENSORRT_DOUBLE_RESIZES=no: a smaller shape needs as much scratch memory as the profile. TENSORRT_DOUBLE_STARTS=no: its
CUDA cannot begin, as over a driver that is too old for it.
"""

import enum
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from gpu_double import GPU, NETWORK, MisuseError, NoMemoryError, note, setting

SIMULATED = True
__version__ = os.environ.get("TENSORRT_DOUBLE_VERSION", "10.16.1.11")
MAGIC, TIMES = b"contract double of an engine\n", b"contract double of a timing cache\n"
SCRATCH = 1024  # bytes per word and column
Shape = Sequence[int]


class NetworkDefinitionCreationFlag(enum.IntEnum):
    STRONGLY_TYPED = 1 if __version__.startswith("10.") else 0


class BuilderFlag(enum.Enum):
    TF32 = 6
    VERSION_COMPATIBLE = 12
    REFIT = 4


class MemoryPoolType(enum.Enum):
    WORKSPACE = 0


class HardwareCompatibilityLevel(enum.Enum):
    NONE = 0
    AMPERE_PLUS = 1
    SAME_COMPUTE_CAPABILITY = 2


class PreviewFeature(enum.Enum):
    RUNTIME_ACTIVATION_RESIZE_10_10 = 2


class TensorIOMode(enum.Enum):
    NONE = 0
    INPUT = 1
    OUTPUT = 2


class DataType(enum.Enum):
    FLOAT = 0
    HALF = 1


class ExecutionContextAllocationStrategy(enum.Enum):
    STATIC = 0
    ON_PROFILE_CHANGE = 1
    USER_MANAGED = 2


class ILogger:
    INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = range(5)

    def log(self, severity: int, msg: str) -> None:
        raise NotImplementedError


class Logger(ILogger):
    """Writes warnings and worse to stderr."""

    def log(self, severity: int, msg: str) -> None:
        print(f"[TRT] [{'FEWIV'[severity]}] {msg}", file=sys.stderr)


class IHostMemory(bytes):
    @property
    def nbytes(self) -> int:
        return len(self)


def _check_gpu(logger: ILogger) -> None:
    """What both factories do where CUDA cannot start: they return nothing, which pybind11 calls a TypeError."""
    if os.environ.get("TENSORRT_DOUBLE_STARTS", "yes") == "no":
        logger.log(ILogger.ERROR, "CUDA initialization failure with error: 35")
        raise TypeError("pybind11::init(): factory function returned nullptr")


def _session(model: bytes | str) -> Any:
    settings = onnxruntime.SessionOptions()
    # As the file stands, like the references: fused, what is between Quantize- and DequantizeLinear rounds otherwise.
    settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    settings.intra_op_num_threads = 1
    settings.log_severity_level = 3
    return onnxruntime.InferenceSession(model, settings, providers=["CPUExecutionProvider"])


# --- building ------------------------------------------------------------------------------------------------


class ITensor:
    def __init__(self, name: str, shape: Shape) -> None:
        self.name, self.shape = name, tuple(size if isinstance(size, int) else -1 for size in shape)


class INetworkDefinition:
    _session: Any = None
    _model = b""

    @property
    def num_inputs(self) -> int:
        return len(self._session.get_inputs())

    def get_input(self, index: int) -> ITensor:
        entry = self._session.get_inputs()[index]
        return ITensor(entry.name, entry.shape)


class ParserError:
    def __init__(self, text: str) -> None:
        self._text = text

    def desc(self) -> str:
        return self._text


class OnnxParser:
    def __init__(self, network: INetworkDefinition, logger: ILogger) -> None:
        self._network, self._errors = network, list[ParserError]()

    def parse_from_file(self, model: str) -> bool:
        try:
            self._network._model = Path(model).read_bytes()
            self._network._session = _session(self._network._model)
        except Exception as error:  # onnxruntime's exceptions share no base class
            self._errors += [ParserError(f"In node -1: {str(error).splitlines()[0]}"), ParserError("ModelImporter")]
            return False
        return True

    @property
    def num_errors(self) -> int:
        return len(self._errors)

    def get_error(self, index: int) -> ParserError:
        return self._errors[index]


class IOptimizationProfile:
    def __init__(self) -> None:
        self._shapes: dict[str, tuple[Shape, Shape, Shape]] = {}

    def set_shape(self, input: str, min: Shape, opt: Shape, max: Shape) -> None:
        if not all(low <= middle <= high for low, middle, high in zip(min, opt, max, strict=True)):
            raise ValueError(f"Dimensions of {input} are not in order")
        self._shapes[input] = (min, opt, max)


class ITimingCache:
    def __init__(self, content: bytes) -> None:
        self._content = content or TIMES + _identity().encode() + b"\n"

    def serialize(self) -> IHostMemory:
        return IHostMemory(self._content)


def _identity() -> str:
    return f"{__version__} {setting('NAME', 'Simulated GPU')}"


class IBuilderConfig:
    def __init__(self) -> None:
        self.builder_optimization_level = 3
        self.hardware_compatibility_level = HardwareCompatibilityLevel.NONE
        self._flags, self._features = {BuilderFlag.TF32}, set[PreviewFeature]()
        self._profiles: list[IOptimizationProfile] = []
        self._workspace: int | None = None
        self._cache: ITimingCache | None = None

    def set_memory_pool_limit(self, pool: MemoryPoolType, pool_size: int) -> None:
        self._workspace = pool_size

    def set_flag(self, flag: BuilderFlag) -> None:
        self._flags.add(flag)

    def clear_flag(self, flag: BuilderFlag) -> None:
        self._flags.discard(flag)

    def set_preview_feature(self, feature: PreviewFeature, enable: bool) -> None:
        self._features.add(feature)

    def add_optimization_profile(self, profile: IOptimizationProfile) -> int:
        self._profiles.append(profile)
        return len(self._profiles) - 1

    def create_timing_cache(self, serialized_timing_cache: bytes) -> ITimingCache | None:
        if serialized_timing_cache and not serialized_timing_cache.startswith(TIMES):
            return None
        return ITimingCache(serialized_timing_cache)

    def set_timing_cache(self, cache: ITimingCache, ignore_mismatch: bool) -> bool:
        fits = cache._content.startswith(TIMES + _identity().encode() + b"\n")
        self._cache = cache if fits or ignore_mismatch else self._cache
        return fits


class Builder:
    def __init__(self, logger: ILogger) -> None:
        _check_gpu(logger)
        GPU.check_current()
        self._logger = logger

    def create_network(self, flags: int = 0) -> INetworkDefinition:
        if not flags & 1 << NetworkDefinitionCreationFlag.STRONGLY_TYPED:
            raise MisuseError("a network that is not strongly typed")
        return INetworkDefinition()

    def create_builder_config(self) -> IBuilderConfig:
        return IBuilderConfig()

    def create_optimization_profile(self) -> IOptimizationProfile:
        return IOptimizationProfile()

    def build_serialized_network(self, network: INetworkDefinition, config: IBuilderConfig) -> IHostMemory | None:
        name = network.get_input(0).name
        profiles = [profile._shapes[name] for profile in config._profiles]
        if not profiles:
            self._logger.log(ILogger.ERROR, "Network has dynamic or shape inputs, but no optimization profile")
            return None
        most = max(SCRATCH * high[0] * high[3] for _, _, high in profiles)
        if config._workspace is not None and config._workspace < most:
            text = "Could not find any implementation for node Conv_0 due to insufficient workspace. See verbose log"
            self._logger.log(ILogger.ERROR, f"Error Code 10: Internal Error ({text} for requested sizes.)")
            return None
        if config._cache is not None:
            config._cache._content += b"a time\n"
        facts = {
            "tensorrt": __version__,
            "capability": setting("CAPABILITY", "9.0"),
            "hardware": config.hardware_compatibility_level.name,
            "flags": sorted(flag.name for flag in config._flags),
            "level": config.builder_optimization_level,
            "profiles": profiles,
        }
        return IHostMemory(MAGIC + json.dumps(facts).encode() + b"\n" + network._model)


# --- running -------------------------------------------------------------------------------------------------


class Runtime:
    engine_host_code_allowed = False

    def __init__(self, logger: ILogger) -> None:
        _check_gpu(logger)
        self._logger = logger

    def deserialize_cuda_engine(self, serialized_engine: bytes) -> "ICudaEngine | None":
        GPU.check_current()
        if not serialized_engine.startswith(MAGIC):
            self._logger.log(ILogger.ERROR, "Error Code 1: Serialization (magicTag: assertion failed)")
            return None
        header, _, model = serialized_engine.removeprefix(MAGIC).partition(b"\n")
        facts = json.loads(header)
        compatible = "VERSION_COMPATIBLE" in facts["flags"] and self.engine_host_code_allowed
        if facts["tensorrt"] != __version__ and not compatible:
            self._logger.log(ILogger.ERROR, "Error Code 1: Serialization (Version tag does not match)")
            return None
        if facts["capability"] != setting("CAPABILITY", "9.0") and facts["hardware"] == "NONE":
            text = "The engine plan file is generated on an incompatible device, please rebuild"
            self._logger.log(ILogger.ERROR, f"Error Code 6: API Usage Error ({text}.)")
            return None
        try:
            GPU.check_room(len(model))
        except NoMemoryError:
            self._logger.log(ILogger.ERROR, "Error Code 2: OutOfMemory (Requested size was too large.)")
            return None
        GPU.reserved += len(model)
        return ICudaEngine(self._logger, facts, _session(model), len(model))


class ICudaEngine:
    def __init__(self, logger: ILogger, facts: dict[str, Any], session: Any, size: int) -> None:
        self._logger, self._facts, self._session, self._size = logger, facts, session, size
        self._io = {entry.name: entry for entry in (*session.get_inputs(), *session.get_outputs())}
        self._input = session.get_inputs()[0].name
        self._steps: dict[Shape, int] = {}

    def _steps_of(self, image: Shape) -> int:
        """Time steps for images of a shape, found by running one."""
        if image not in self._steps:
            (output,) = self._session.run(None, {self._input: np.zeros((1, *image), np.float32)})
            self._steps[image] = len(output)
        return self._steps[image]

    def __del__(self) -> None:
        GPU.reserved -= self._size

    @property
    def num_io_tensors(self) -> int:
        return len(self._io)

    def get_tensor_name(self, index: int) -> str:
        return list(self._io)[index]

    def get_tensor_mode(self, name: str) -> TensorIOMode:
        return TensorIOMode.INPUT if name == self._input else TensorIOMode.OUTPUT

    def get_tensor_dtype(self, name: str) -> DataType:
        return {"tensor(float)": DataType.FLOAT, "tensor(float16)": DataType.HALF}[self._io[name].type]

    def get_tensor_shape(self, name: str) -> Shape:
        return ITensor(name, self._io[name].shape).shape

    def get_device_memory_size_for_profile_v2(self, profile_index: int) -> int:
        high = self._facts["profiles"][profile_index][2]
        return SCRATCH * int(high[0] * high[3])

    def create_execution_context(
        self, strategy: ExecutionContextAllocationStrategy = ExecutionContextAllocationStrategy.STATIC
    ) -> "IExecutionContext | None":
        GPU.check_current()
        try:
            GPU.check_room(0)
        except NoMemoryError:
            self._logger.log(ILogger.ERROR, "Error Code 2: OutOfMemory (Requested size was 2097152 bytes.)")
            return None
        return IExecutionContext(self, strategy == ExecutionContextAllocationStrategy.USER_MANAGED)


_SCRATCH_USERS: dict[int, int] = {}  # block → the stream that works in it


class IExecutionContext:
    def __init__(self, engine: ICudaEngine, bare: bool) -> None:
        """bare: without scratch memory of its own."""
        self._engine, self._bare, self._profile = engine, bare, -1
        self._shape: tuple[int, ...] | None = None
        self._addresses: dict[str, int] = {}
        self._scratch, self._needed = (0, 0), 0

    def set_optimization_profile_async(self, profile_index: int, stream_handle: int) -> bool:
        GPU.stream(stream_handle)
        self._profile, self._shape = profile_index, None
        self._needed = self._engine.get_device_memory_size_for_profile_v2(profile_index)
        return True

    def set_input_shape(self, name: str, shape: Shape) -> bool:
        low, _, high = self._engine._facts["profiles"][self._profile]
        if not all(least <= size <= most for least, size, most in zip(low, shape, high, strict=True)):
            text = f"Static dimension mismatch while setting input shape of {name}: {tuple(shape)}"
            self._engine._logger.log(ILogger.ERROR, f"Error Code 3: API Usage Error ({text})")
            return False
        self._shape = tuple(shape)
        return True

    def infer_shapes(self) -> list[str]:
        return [] if self._shape else [self._engine._input]

    def get_tensor_shape(self, name: str) -> Shape:
        if self._shape is None:
            return (-1, -1, -1)
        if name == self._engine._input:
            return self._shape
        steps = self._engine._steps_of(self._shape[1:])
        return (steps, self._shape[0], self._engine.get_tensor_shape(name)[2])

    def set_tensor_address(self, name: str, memory: int) -> bool:
        self._addresses[name] = memory
        return True

    def update_device_memory_size_for_shapes(self) -> int:
        if self._shape is None:
            raise MisuseError("no shape is set")
        if os.environ.get("TENSORRT_DOUBLE_RESIZES", "yes") == "yes":
            self._needed = SCRATCH * self._shape[0] * self._shape[3]
        return self._needed

    def set_device_memory(self, memory: int, size: int) -> None:
        if memory % 256 or GPU.room(memory) < size or size < self._needed:
            raise MisuseError(f"scratch memory of {size} bytes at {memory}; needs {self._needed}, aligned to 256")
        self._scratch = (memory, size)

    def execute_async_v3(self, stream_handle: int) -> bool:
        GPU.check_current()
        stream, engine = GPU.stream(stream_handle), self._engine
        if self._shape is None or self._addresses.keys() != engine._io.keys():
            raise MisuseError("shape or addresses are not set")
        small = self._scratch[1] < self._needed
        if self._bare and (small or _SCRATCH_USERS.setdefault(self._scratch[0], stream_handle) != stream_handle):
            raise MisuseError("scratch memory is too small, or another stream's")
        output_name = next(name for name in engine._io if name != engine._input)
        given, taken = self._shape, self.get_tensor_shape(output_name)
        addresses = (self._addresses[engine._input], self._addresses[output_name])
        for address, shape in zip(addresses, (given, taken), strict=True):
            if GPU.room(address) < 4 * int(np.prod(shape)):
                raise MisuseError(f"{GPU.room(address)} bytes for {shape}")
        GPU.runs += 1
        if GPU.runs > float(setting("FAILS_AFTER", "inf")):
            engine._logger.log(ILogger.ERROR, "Error Code 1: Cuda Runtime (an illegal memory access was encountered)")
            return False
        note(event="run", shape=given, stream=stream_handle, captured=stream.captured is not None)
        stream.put(lambda: _compute(engine, addresses, given))
        return True


def _compute(engine: ICudaEngine, addresses: tuple[int, int], shape: Shape) -> None:
    if GPU.runs > float(setting("BREAKS_AFTER", "inf")):
        raise OSError("an illegal memory access was encountered")
    data = bytes(GPU.blocks[addresses[0]][: 4 * int(np.prod(shape))])
    (output,) = engine._session.run(None, {engine._input: np.frombuffer(data, np.float32).reshape(shape)})
    GPU._write(addresses[1], output.astype(np.float32).tobytes(), NETWORK)
