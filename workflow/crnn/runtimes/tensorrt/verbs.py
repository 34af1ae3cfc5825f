"""NVIDIA GPUs: TensorRT builds an engine from the ONNX file, and runs it through pycuda or cuda-python.

The ONNX file alone decides the number formats (strongly typed). Options, all of them optional:

- `profiles`: how many optimisation profiles the widths are divided among, 1 by default; `typical_width`: the width that
  kernels are chosen for; `plan`: width → largest batch, instead of the deployment's batch and width rule.
- `workspace_mib`, `optimization_level`: the builder's memory and effort; `tf32`: let float32 be computed in TF32.
- `timing_cache`: where kernel times are kept between builds, a file, or false.
- `version_compatible`, `hardware_compatibility` (none, ampere+, same), `refit`, `resizable_memory`: as TensorRT has.
- `device`: the GPU, by CUDA's number; `streams`: most calls under way at a time, 2; `cuda_graphs`: replay launches.

conversion.json, beside the engine, says what it was built from, by which TensorRT and for which GPU; the runtime goes
by it.
"""

import os
from contextlib import closing
from pathlib import Path

from crnn.core.errors import UserError
from crnn.core.files import atomic_path, read_json, write_json
from crnn.runtimes.devices import lock_device
from crnn.runtimes.runtime import Options
from crnn.runtimes.shapes import awaits_plan
from crnn.runtimes.tensorrt import FILES
from crnn.runtimes.tensorrt.engine import build_engine
from crnn.runtimes.tensorrt.gpu import OutOfMemoryError, open_gpu
from crnn.runtimes.tensorrt.library import load_tensorrt
from crnn.runtimes.tensorrt.session import TensorRtSession
from crnn.runtimes.tensorrt.settings import build_settings, run_settings


def build(source: Path, directory: Path, options: Options) -> list[Path]:
    """Build an engine for the GPU of this machine; both files appear when both are whole."""
    settings, index, trt = build_settings(options), run_settings(options).device, load_tensorrt()
    try:
        # Kernels are chosen by their times, so nothing else may use the GPU.
        with lock_device("gpu", index), closing(open_gpu(index)) as device, device.current():
            cache_file = _cache_file(settings.timing_cache, trt.__version__, device.facts().name)
            serialized, facts = build_engine(trt, device, source, settings, cache_file)
    except OutOfMemoryError as error:
        raise UserError(
            f"the GPU has no memory left to build an engine in ({error}); see `nvidia-smi` for what else uses it"
        ) from error
    engine, conversion = (directory / name for name in FILES)
    with atomic_path(engine) as temporary:
        temporary.write_bytes(serialized)
    write_json(conversion, facts)
    return [engine, conversion]


def _cache_file(place: Path | bool, version: str, gpu: str) -> Path | None:
    """Where kernel times are kept: of the user's own place a file per TensorRT and kind of GPU, outside of results/."""
    if isinstance(place, Path):
        return place
    home = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    name = "-".join(gpu.split()).replace("/", "-")
    return home / "crnn-dynamic" / f"tensorrt-{version}-{name}.timing" if place else None


def load(model: Path, options: Options, threads: int, calls: int = 1) -> TensorRtSession:
    settings, trt = run_settings(options), load_tensorrt()
    facts = read_json(model.with_name(FILES[1]))
    with lock_device("gpu", settings.device) as held:
        device = open_gpu(settings.device, settings.cuda_graphs)
        held.callback(device.close)
        return TensorRtSession(trt, device, model, facts, settings, calls, held)


def check(options: Options, building: bool) -> None:
    """Raise UserError where this machine has no TensorRT or no GPU for it, before any work is done."""
    if building and not awaits_plan(options):
        build_settings(options)
    settings = run_settings(options)
    load_tensorrt()
    open_gpu(settings.device, settings.cuda_graphs and not building).close()
