"""What TensorRT's real Python bindings have, asked of the bindings themselves, without TensorRT's libraries.

The bindings are a small wheel of the package index and link three libraries that are not on it. Here these are
compiled from a dozen lines of C: factories that make nothing. So classes, members and signatures can be read, and
`trt.Builder(logger)` fails as it does without a GPU.
"""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

LIBRARIES = ("nvinfer", "nvinfer_plugin", "nvonnxparser")
STUBS = """
void *createInferBuilder_INTERNAL(void *logger, int version) { return 0; }
void *createInferRuntime_INTERNAL(void *logger, int version) { return 0; }
void *createInferRefitter_INTERNAL(void *engine, void *logger, int version) { return 0; }
void *createNvOnnxParser_INTERNAL(void *network, void *logger, int version) { return 0; }
void *createNvOnnxParserRefitter_INTERNAL(void *refitter, void *logger, int version) { return 0; }
int getNvOnnxParserVersion(void) { return 0; }
void *getPluginRegistry(void) { return 0; }
void *getBuilderPluginRegistry(int capability) { return 0; }
int initLibNvInferPlugins(void *logger, const char *name) { return 1; }
"""
# Prints every public class of the module with the docstring of each public member, and what a Builder does.
LOOK = """
import inspect, json
import tensorrt_bindings as trt
classes = {name: value for name, value in vars(trt).items() if inspect.isclass(value) and not name.startswith("_")}
found = {
    name: {member: getattr(value, member).__doc__ or "" for member in dir(value) if not member.startswith("_")}
    | {"__init__": value.__init__.__doc__ or ""}
    for name, value in classes.items()
}
found[""] = {name: "" for name in dir(trt) if not name.startswith("_")}
try:
    trt.Builder(trt.Logger())
    failure = None
except TypeError as error:
    failure = str(error)
print(json.dumps({"version": trt.__version__, "classes": found, "builder": failure}))
"""


def compile_stubs(folder: Path, major: int) -> None:
    """The three libraries of a major version, in `folder`."""
    folder.mkdir(parents=True)
    (folder / "stubs.c").write_text(STUBS)
    for name in (f"lib{library}.so.{major}" for library in LIBRARIES):
        command = ["gcc", "-shared", "-fPIC", f"-Wl,-soname,{name}", "-o", str(folder / name), str(folder / "stubs.c")]
        subprocess.run(command, check=True)


def download(version: str, folder: Path) -> Path:
    """The wheel of the bindings from the package index, unpacked. Raises CalledProcessError where it cannot be had."""
    requirement = f"tensorrt-cu13-bindings=={version}"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder / "wheel")]
    subprocess.run([*command, requirement], check=True, capture_output=True, text=True)
    (wheel,) = (folder / "wheel").iterdir()
    zipfile.ZipFile(wheel).extractall(folder / "packages")
    return folder / "packages"


def look(packages: Path, stubs: Path) -> dict[str, Any]:
    """What a Python of its own finds in the bindings of `packages`, over the libraries of `stubs`."""
    found: dict[str, Any] = json.loads(run(LOOK, packages, stubs))
    return found


def run(code: str, packages: Path, stubs: Path | None) -> str:
    """What `code` prints in a Python of its own that has the bindings of `packages`, and the libraries if any."""
    path = os.pathsep.join([str(packages), *(entry for entry in sys.path if entry)])  # numpy among the rest
    environment = {**os.environ, "PYTHONPATH": path, "LD_LIBRARY_PATH": str(stubs or "")}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    return done.stdout
