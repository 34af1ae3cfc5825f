"""Building an engine from an ONNX file: one path for TensorRT 10.14 to 11, strongly typed, without precision flags.

The number formats are those of the ONNX file; the builder may change none.
"""

import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

from crnn.core.command import LOG
from crnn.core.errors import UserError
from crnn.core.files import atomic_path, sha256
from crnn.runtimes.shapes import Form
from crnn.runtimes.tensorrt.gpu import Gpu, GpuFacts
from crnn.runtimes.tensorrt.library import last_errors, listening_logger, needs_gpu, version_numbers
from crnn.runtimes.tensorrt.settings import COMPATIBILITY, BuildSettings
from crnn.runtimes.tensorrt.trtexec import build_command

MEBIBYTE = 2**20
# What TensorRT's messages say where memory was short, of the builder's workspace or of the GPU.
SHORT_OF_MEMORY = re.compile(r"workspace|out ?of ?memory|cudaMalloc|insufficient memory", re.IGNORECASE)


def build_engine(
    trt: Any, device: Gpu, source: Path, settings: BuildSettings, cache_file: Path | None
) -> tuple[Any, dict[str, Any]]:
    """(engine as bytes, facts) from the ONNX file `source`. Called inside `device.current()`.

    Kernel times are taken from `cache_file` and put back into it. Raises UserError with what TensorRT logged.
    """
    logger = listening_logger(trt)
    with needs_gpu(trt, logger):
        builder = trt.Builder(logger)
    # STRONGLY_TYPED is one of two ways in TensorRT 10 and accepted, without effect, in 11.
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    _parse(trt, network, logger, source)
    config = _configured(trt, builder, settings)
    input_name = _input_name(network, source, settings.form)
    for each in settings.profiles.each:
        _add_profile(builder, config, input_name, each.corners(settings.form))
    cache = _attach_cache(config, cache_file)
    serialized = builder.build_serialized_network(network, config)
    if serialized is None:
        raise _build_fault(source, settings, logger.errors)
    _keep_cache(cache, cache_file)
    return serialized, _facts(trt, device.facts(), source, settings, input_name)


def _parse(trt: Any, network: Any, logger: Any, source: Path) -> None:
    parser = trt.OnnxParser(network, logger)
    if parser.parse_from_file(str(source)):
        return
    faults = [parser.get_error(index).desc() for index in range(parser.num_errors)]
    listed = "".join(f"\n  - {fault}" for fault in faults) or f" {last_errors(logger.errors)}"
    raise UserError(f"{source}: TensorRT {trt.__version__} cannot read it:{listed}")


def _input_name(network: Any, source: Path, form: Form) -> str:
    """The name of the one input, [N, channels, height, W]."""
    tensors = [network.get_input(index) for index in range(network.num_inputs)]
    shapes = {str(tensor.name): list(tensor.shape) for tensor in tensors}
    expected = [name for name, shape in shapes.items() if len(shape) == 4 and shape[2] == form.height]
    if len(shapes) != 1 or not expected:
        raise UserError(
            f"{source}: its inputs are {shapes}; expected one of the shape [N, {form.channels}, {form.height}, W]"
        )
    return expected[0]


def _configured(trt: Any, builder: Any, settings: BuildSettings) -> Any:
    config = builder.create_builder_config()
    if settings.workspace_mib is not None:
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, settings.workspace_mib * MEBIBYTE)
    config.builder_optimization_level = settings.optimization_level
    config.clear_flag(trt.BuilderFlag.TF32)  # on by default: float32 would not be float32 from Ampere on
    for name in settings.builder_flags():
        config.set_flag(getattr(trt.BuilderFlag, name))
    level = COMPATIBILITY[settings.hardware_compatibility]
    config.hardware_compatibility_level = getattr(trt.HardwareCompatibilityLevel, level)
    if settings.resizable_memory:
        config.set_preview_feature(trt.PreviewFeature.RUNTIME_ACTIVATION_RESIZE_10_10, True)
    return config


def _add_profile(builder: Any, config: Any, name: str, corners: tuple[Any, Any, Any]) -> None:
    profile = builder.create_optimization_profile()
    profile.set_shape(name, *corners)
    if config.add_optimization_profile(profile) < 0:
        raise UserError(f"TensorRT refuses the profile {' to '.join(map(str, corners))} of {name}; see the log")


def _attach_cache(config: Any, file: Path | None) -> Any:
    """A timing cache for `config`: what `file` holds, or an empty one where that is damaged or of another machine."""
    kept = file.read_bytes() if file is not None and file.is_file() else b""
    cache = config.create_timing_cache(kept)
    if cache is None or not config.set_timing_cache(cache, False):
        LOG.warning("%s: no kernel times, or of another GPU or TensorRT; they are measured anew", file)
        cache = config.create_timing_cache(b"")
        config.set_timing_cache(cache, False)
    return cache


def _keep_cache(cache: Any, file: Path | None) -> None:
    """Leave the kernel times for the next build; a place that cannot be written costs that build time, and no more."""
    if file is None:
        return
    try:
        with atomic_path(file) as temporary:
            temporary.write_bytes(bytes(cache.serialize()))
    except OSError as error:
        LOG.warning("%s: the kernel times cannot be kept (%s); options.timing_cache names another place", file, error)


def _build_fault(source: Path, settings: BuildSettings, errors: list[str]) -> UserError:
    if not SHORT_OF_MEMORY.search(" ".join(errors)):
        return UserError(f"{source}: TensorRT cannot build an engine of it ({last_errors(errors)}); see the log")
    limit = "" if settings.workspace_mib is None else f", of which the builder may use {settings.workspace_mib} MiB"
    return UserError(
        f"{source}: memory was short while the engine was built{limit} ({last_errors(errors)}). Raise "
        f"options.workspace_mib, let nothing else run on the GPU, or build for less: it covers "
        f"{settings.profiles.described()}"
    )


def _facts(trt: Any, gpu: GpuFacts, source: Path, settings: BuildSettings, input_name: str) -> dict[str, Any]:
    """What the runtime and a reader need to know of an engine; equal builds on equal machines have equal facts."""
    return {
        "tensorrt": trt.__version__,
        "gpu": asdict(gpu),
        "onnx_sha256": sha256(source),
        "profiles": settings.profiles.facts(),
        "form": asdict(settings.form),
        "flags": ["STRONGLY_TYPED", *settings.builder_flags()],
        "optimization_level": settings.optimization_level,
        "workspace_mib": settings.workspace_mib,
        "hardware_compatibility": settings.hardware_compatibility,
        "resizable_memory": settings.resizable_memory,
        "trtexec": build_command(settings, version_numbers(trt.__version__)[0], input_name),
    }
