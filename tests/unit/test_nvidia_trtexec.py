"""The command of trtexec that builds the same engine, by major version."""

import pytest

from crnn.runtimes.tensorrt.settings import build_settings
from crnn.runtimes.tensorrt.trtexec import build_command

SHAPES = {"plan": {"40": 16, "400": 2}, "typical_width": 40}
COMMON = ["trtexec", "--onnx=fixed.onnx", "--saveEngine=model.engine", "--skipInference"]
ONE = ["--minShapes=imgs:1x1x32x40", "--optShapes=imgs:16x1x32x40", "--maxShapes=imgs:16x1x32x400"]


def test_ten_is_told_to_type_strongly_and_eleven_does() -> None:
    settings = build_settings(SHAPES)
    rest = [*ONE, "--builderOptimizationLevel=3", "--noTF32"]
    assert build_command(settings, 10, "imgs") == [*COMMON, "--stronglyTyped", *rest]
    assert build_command(settings, 11, "imgs") == [*COMMON, *rest]


@pytest.mark.parametrize(("channels", "height"), [(3, 48), (1, 64)])
def test_images_have_the_form_of_the_model(channels: int, height: int) -> None:
    form = {"channels": channels, "height": height, "steps": {"stride": 8, "shift": 0}}
    assert set(build_command(build_settings({**SHAPES, "form": form}), 11, "imgs")) >= {
        f"--minShapes=imgs:1x{channels}x{height}x40",
        f"--optShapes=imgs:16x{channels}x{height}x40",
        f"--maxShapes=imgs:16x{channels}x{height}x400",
    }


def test_several_profiles_are_numbered() -> None:
    command = build_command(build_settings({**SHAPES, "profiles": 2}), 11, "imgs")
    first, second = command.index("--profile=0"), command.index("--profile=1")
    assert command[first + 1 : second] == [
        *("--minShapes=imgs:1x1x32x40", "--optShapes=imgs:16x1x32x40", "--maxShapes=imgs:16x1x32x40")
    ]
    assert command[second + 1 : second + 4] == [
        *("--minShapes=imgs:1x1x32x400", "--optShapes=imgs:2x1x32x400", "--maxShapes=imgs:2x1x32x400")
    ]


@pytest.mark.parametrize(
    ("option", "value", "argument"),
    [
        ("workspace_mib", 512, "--memPoolSize=workspace:512M"),
        ("optimization_level", 5, "--builderOptimizationLevel=5"),
        ("version_compatible", True, "--versionCompatible"),
        ("refit", True, "--refit"),
        ("resizable_memory", True, "--preview=+runtimeActivationResize"),
        ("hardware_compatibility", "ampere+", "--hardwareCompatibilityLevel=ampere+"),
        ("hardware_compatibility", "same", "--hardwareCompatibilityLevel=sameComputeCapability"),
    ],
)
def test_an_option_is_an_argument(option: str, value: object, argument: str) -> None:
    assert argument in build_command(build_settings({**SHAPES, option: value}), 10, "imgs")
    assert argument not in build_command(build_settings(SHAPES), 10, "imgs")


def test_tf32_is_left_on_where_it_is_asked_for() -> None:
    assert "--noTF32" not in build_command(build_settings({**SHAPES, "tf32": True}), 10, "imgs")
