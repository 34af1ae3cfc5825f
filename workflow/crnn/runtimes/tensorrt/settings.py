"""The options of a TensorRT deployment, checked: what the builder is told and how the engine is run."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crnn.core.errors import UserError
from crnn.runtimes.devices import checked_device
from crnn.runtimes.runtime import check_options, checked_choice, checked_flag, checked_whole
from crnn.runtimes.shapes import Form
from crnn.runtimes.tensorrt.profiles import Profiles, profiles_for

# options.hardware_compatibility → the member of trt.HardwareCompatibilityLevel.
COMPATIBILITY = {"none": "NONE", "ampere+": "AMPERE_PLUS", "same": "SAME_COMPUTE_CAPABILITY"}
BUILDING = (
    *("profiles", "plan", "typical_width", "workspace_mib", "optimization_level", "tf32", "timing_cache"),
    *("version_compatible", "hardware_compatibility", "refit", "resizable_memory", "batch", "width_rule", "form"),
)
RUNNING = ("device", "streams", "cuda_graphs")


@dataclass(frozen=True)
class BuildSettings:
    """What decides an engine besides the ONNX file, the TensorRT version and the GPU."""

    profiles: Profiles
    workspace_mib: int | None = None  # None: all of the GPU's memory, TensorRT's default
    optimization_level: int = 3
    tf32: bool = False
    version_compatible: bool = False
    hardware_compatibility: str = "none"
    refit: bool = False
    resizable_memory: bool = False
    timing_cache: Path | bool = True  # where measured kernel times are kept between builds; True: the user's own place
    form: Form = field(default_factory=Form)

    def builder_flags(self) -> list[str]:
        """Names of trt.BuilderFlag that are set; none is of a precision, which the ONNX file alone decides."""
        wanted = {"TF32": self.tf32, "VERSION_COMPATIBLE": self.version_compatible, "REFIT": self.refit}
        return [name for name, set_ in wanted.items() if set_]


@dataclass(frozen=True)
class RunSettings:
    """How an engine is run: the GPU, by CUDA's number, calls under way at a time, and whether launches are replayed."""

    device: int = 0
    streams: int = 2
    cuda_graphs: bool = False


def build_settings(options: dict[str, Any]) -> BuildSettings:
    """Raises UserError naming the option that is wrong."""
    check_options(options, *BUILDING, *RUNNING)
    compatibility = checked_choice(options, "hardware_compatibility", COMPATIBILITY)
    workspace = checked_whole(options, "workspace_mib", 1) if "workspace_mib" in options else None
    flags = {name: checked_flag(options, name) for name in ("tf32", "version_compatible", "refit", "resizable_memory")}
    level = checked_whole(options, "optimization_level", 0, 5, default=3)
    profiles, cache, form = profiles_for(options), _cache_place(options), Form.from_facts(options)
    return BuildSettings(
        profiles, workspace, level, hardware_compatibility=compatibility, timing_cache=cache, form=form, **flags
    )


def run_settings(options: dict[str, Any]) -> RunSettings:
    """Raises UserError naming the option that is wrong."""
    check_options(options, *BUILDING, *RUNNING)
    streams = checked_whole(options, "streams", 1, 8, default=2)
    return RunSettings(checked_device(options), streams, checked_flag(options, "cuda_graphs"))


def _cache_place(options: dict[str, Any]) -> Path | bool:
    value = options.get("timing_cache", True)
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value:
        return Path(value).expanduser()
    raise UserError(f"options.timing_cache is {value!r}; expected a file's path, or false to keep no kernel times")
