"""The question before a run: every fault once, with the deployments that have it."""

import json

import pytest

from contract.toolkit import Toolkit, Use
from crnn.core.errors import UserError
from stage_calls import call


def ask(*asked: tuple[str, str, dict[str, object], bool]) -> None:
    keys = ("deployment", "runtime", "options", "building")
    text = json.dumps([dict(zip(keys, each, strict=True)) for each in asked])
    call("check_toolchains", asked=text)


def test_a_runtime_that_checks_nothing_is_never_at_fault() -> None:
    ask(("ort", "onnxruntime", {}, True), ("ort", "onnxruntime", {}, False))


def test_a_machine_that_has_all_passes(toolkit: Toolkit, doubles: None) -> None:
    options: dict[str, object] = {"set_env": str(toolkit.set_env), "soc_version": "Ascend310P3", "shapes": "static"}
    shapes: dict[str, object] = {"batch": 4, "width_rule": {"rule": "fixed", "width": 100}}
    ask(("om", "ascend", options | shapes, True), ("om", "ascend", options, False))


def test_a_fault_is_said_once_for_all_that_have_it(packages: Use) -> None:
    packages()
    options: dict[str, object] = {"set_env": "/no/set_env.sh"}
    with pytest.raises(UserError) as stopped:
        ask(
            ("ort", "onnxruntime", {}, True),
            ("om-a", "ascend", options, True),
            ("om-b", "ascend", options, True),
            ("om-b", "ascend", options, True),
            ("om-a", "ascend", options, False),
        )
    first, second = str(stopped.value).splitlines()
    assert first == "deployments om-a, om-b: options.set_env is '/no/set_env.sh', which does not exist"
    assert second.startswith("deployments om-a: runtime ascend: the Python package 'ais_bench' is not installed here")
