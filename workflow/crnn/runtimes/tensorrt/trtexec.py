"""The `trtexec` command that builds the same engine, as a pure function: for a cross-check.

Options of samples/common/sampleOptions.cpp of NVIDIA/TensorRT 10.16 and 11.1. Nothing here runs it.
"""

from crnn.runtimes.tensorrt.profiles import Shape
from crnn.runtimes.tensorrt.settings import BuildSettings

COMPATIBILITY = {"none": "none", "ampere+": "ampere+", "same": "sameComputeCapability"}


def build_command(settings: BuildSettings, major: int, name: str) -> list[str]:
    """Arguments for trtexec of a TensorRT major, which would also time the engine; `name` is the input's.

    Strong typing is an option of 10 and the only way of 11.
    """
    return [
        *("trtexec", "--onnx=fixed.onnx", "--saveEngine=model.engine", "--skipInference"),
        *(["--stronglyTyped"] if major == 10 else []),
        *_profile_arguments(settings, name),
        f"--builderOptimizationLevel={settings.optimization_level}",
        *([] if settings.workspace_mib is None else [f"--memPoolSize=workspace:{settings.workspace_mib}M"]),
        *([] if settings.tf32 else ["--noTF32"]),
        *(["--versionCompatible"] if settings.version_compatible else []),
        *(["--refit"] if settings.refit else []),
        *(["--preview=+runtimeActivationResize"] if settings.resizable_memory else []),
        *(
            []
            if settings.hardware_compatibility == "none"
            else [f"--hardwareCompatibilityLevel={COMPATIBILITY[settings.hardware_compatibility]}"]
        ),
    ]


def _profile_arguments(settings: BuildSettings, name: str) -> list[str]:
    profiles = settings.profiles.each
    arguments = []
    for index, profile in enumerate(profiles):
        corners = zip(("min", "opt", "max"), profile.corners(settings.form), strict=True)
        shapes = [f"--{which}Shapes={name}:{_written(shape)}" for which, shape in corners]
        arguments += [*([f"--profile={index}"] if len(profiles) > 1 else []), *shapes]
    return arguments


def _written(shape: Shape) -> str:
    return "x".join(map(str, shape))
