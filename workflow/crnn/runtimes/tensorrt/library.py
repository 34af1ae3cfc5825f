"""TensorRT's Python module: finding its libraries, what is wrong where it cannot be loaded, and what it logs.

The one module that imports it.
"""

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from crnn.core.command import LOG
from crnn.core.errors import UserError

LIBRARIES = ("nvinfer", "nvinfer_plugin", "nvonnxparser")
OLDEST = (10, 14)  # the first whose ONNX parser gives a float16 LSTM float16 initial states (docs/nvidia.md)
INSTALL = (
    "install TensorRT for this Python, or run with `--sdm conda` to get it from envs/tensorrt.yaml (docs/nvidia.md)"
)


def load_tensorrt() -> Any:
    """The module `tensorrt`. Raises UserError that says what is missing, cannot be loaded or is too old."""
    try:
        _preload(Path(sys.prefix, "lib"))
        trt = _imported()
    except ModuleNotFoundError as error:
        absent = "'tensorrt' (or 'tensorrt_bindings')" if error.name == "tensorrt_bindings" else repr(error.name)
        raise UserError(f"runtime tensorrt: the Python package {absent} is not installed here; {INSTALL}") from error
    except (ImportError, OSError) as error:
        raise UserError(
            f"runtime tensorrt: TensorRT's libraries cannot be loaded ({error}); its Python bindings are here and need "
            f"libnvinfer, libnvinfer_plugin and libnvonnxparser of their own version in {sys.prefix}/lib or on "
            f"LD_LIBRARY_PATH (docs/nvidia.md)"
        ) from error
    if version_numbers(trt.__version__)[:2] < OLDEST:
        raise UserError(
            f"runtime tensorrt: TensorRT {trt.__version__} is here; {'.'.join(map(str, OLDEST))} or later is needed"
        )
    return trt


def _imported() -> Any:
    """NVIDIA's own packages are imported as `tensorrt`; bindings whose libraries came another way by their own name."""
    try:
        import tensorrt
    except ModuleNotFoundError as error:
        if error.name != "tensorrt":
            raise
        import tensorrt_bindings

        return tensorrt_bindings
    return tensorrt


def _preload(folder: Path) -> None:
    """Load the libraries of a conda env, which the bindings of TensorRT 10 do not look for there."""
    majors = [int(path.suffix[1:]) for path in folder.glob("libnvinfer.so.*") if path.suffix[1:].isdigit()]
    names = [f"lib{name}.so.{major}" for major in sorted(set(majors))[-1:] for name in LIBRARIES]
    for path in (folder / name for name in names):
        if path.exists():
            ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)


def version_numbers(version: str) -> tuple[int, ...]:
    """10.16.1.11 as numbers, as far as they are numbers."""
    parts = version.split(".")
    return tuple(int(part) for part in parts if part.isdigit())


def listening_logger(trt: Any) -> Any:
    """A logger for TensorRT that keeps what went wrong in `errors`, and passes warnings on to the log of the stage."""

    class Listener(trt.ILogger):  # type: ignore[misc]  # the base is known once TensorRT has been loaded
        """Must outlive every object of TensorRT's that was made with it."""

        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.errors: list[str] = []

        def log(self, severity: Any, msg: str) -> None:
            if severity in (trt.ILogger.INTERNAL_ERROR, trt.ILogger.ERROR):
                self.errors.append(msg.strip())
                LOG.error("TensorRT: %s", msg.strip())
            elif severity == trt.ILogger.WARNING:
                LOG.warning("TensorRT: %s", msg.strip())

    return Listener()


@contextmanager
def needs_gpu(trt: Any, logger: Any) -> Iterator[None]:
    """Raise UserError where TensorRT finds no GPU, which it says by a TypeError."""
    try:
        yield
    except TypeError as error:
        said = last_errors(logger.errors)
        raise UserError(
            f"runtime tensorrt: TensorRT {trt.__version__} finds no GPU that it can use ({said}); check `nvidia-smi`, "
            f"and that the driver serves the CUDA of this TensorRT (docs/nvidia.md)"
        ) from error


def last_errors(errors: list[str]) -> str:
    """What TensorRT logged as errors, for a message: the last three."""
    return "; ".join(errors[-3:]) if errors else "TensorRT logged no error"
