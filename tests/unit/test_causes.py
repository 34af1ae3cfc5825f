"""Why a job would run, in a person's words."""

from typing import Any

import pytest

from engine.causes import Job, cause, explain


def made(**parts: Any) -> dict[str, Any]:
    """A made_from: config, code, tools and inputs, each empty unless given."""
    return {"config": {}, "code": {}, "tools": {}, "inputs": {}, **parts}


def changed(before: dict[str, Any], after: dict[str, Any]) -> str:
    return cause(Job("make_tensors", {}, before=made(**before), after=made(**after)))


ASPECT = {"rule": "aspect", "min": 40, "max": 320}


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        (
            {"config": {"widths.aspect": ASPECT}},
            {"config": {"widths.aspect": ASPECT | {"max": 256}}},
            "config widths.aspect.max: 320 → 256",
        ),
        (
            {"config": {"models.crnn.opset": 13}},
            {"config": {"models.crnn.opset": 12}},
            "config models.crnn.opset: 13 → 12",
        ),
        (
            {"config": {"widths.aspect": ASPECT}},
            {"config": {"widths.aspect": ASPECT | {"interpolation": "opencv-cubic"}}},
            "config widths.aspect.interpolation: (none) → opencv-cubic",
        ),
        (
            {"code": {"crnn/data/tensors.py": "aa"}},
            {"code": {"crnn/data/tensors.py": "bb"}},
            "workflow/crnn/data/tensors.py changed",
        ),
        ({"code": {}}, {"code": {"crnn/new.py": "bb"}}, "workflow/crnn/new.py is new"),
        ({"code": {"crnn/old.py": "bb"}}, {"code": {}}, "workflow/crnn/old.py is gone"),
        ({"tools": {"onnxruntime": "1.31"}}, {"tools": {"onnxruntime": "1.32"}}, "onnxruntime 1.31 → 1.32"),
        ({"inputs": {"data/my.pth": "aa"}}, {"inputs": {"data/my.pth": "bb"}}, "input data/my.pth changed"),
        ({"config": {"runs": ["a m x"]}}, {"config": {"runs": ["a m x", "a m y"]}}, "new: deployment y"),
        ({"config": {"runs": ["a m x", "b m x"]}}, {"config": {"runs": ["a m x"]}}, "removed: dataset b"),
        (
            {"config": {"runs": ["a m x", "a m y"]}},
            {"config": {"runs": ["a m y", "a m x"]}},
            "the order of the runs changed",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_a_person_changed_is_named(before: dict[str, Any], after: dict[str, Any], text: str) -> None:
    assert changed(before, after) == text


def test_the_config_comes_before_what_follows_from_it() -> None:
    before = {"config": {"opset": 13}, "code": {"a.py": "aa"}}
    after = {"config": {"opset": 12}, "code": {"a.py": "bb"}}
    assert changed(before, after) == "config opset: 13 → 12"


def test_a_long_value_is_cut() -> None:
    text = changed({"config": {"charset": "a" * 100}}, {"config": {"charset": "b"}})
    assert text == f"config charset: {'a' * 59}… → b"


@pytest.mark.parametrize(
    ("facts", "text"),
    [
        ({"missing": ("results/raw.onnx",)}, "results/raw.onnx is missing"),
        ({"missing": ("results/raw.onnx",), "new": "deployment ort-8"}, "new: deployment ort-8"),
        ({"changed_inputs": ("results/raw.onnx",)}, "input results/raw.onnx changed"),
        ({"inputs_before": {"a"}, "inputs_after": {"a", "b"}}, "input b is new"),
        ({"inputs_before": {"a", "b"}, "inputs_after": {"a"}}, "input b is no longer used"),
        ({"command_changed": True}, "the command of rule fix_onnx changed"),
        ({"altered": "results/fixed.onnx", "forced": True}, "results/fixed.onnx is not what its stage wrote"),
        ({"forced": True}, "an earlier run ended before it was complete"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_happened_to_files_is_named(facts: dict[str, Any], text: str) -> None:
    assert cause(Job("fix_onnx", {}, **facts)) == text


# --- the whole answer --------------------------------------------------------------------------------------


def test_nothing_to_run_is_one_line() -> None:
    assert explain([]) == "Nothing to do."


def test_jobs_stand_below_their_cause_and_followers_below_where_that_begins() -> None:
    jobs = [
        Job("fix_onnx", {"model": "crnn"}, 0, altered="fixed.onnx"),
        Job("build_onnxruntime", {"model": "crnn", "deployment": "ort"}, 1, frozenset({0})),
        Job("predict_words", {"dataset": "a", "deployment": "ort"}, 2, frozenset({1})),
        Job("predict_words", {"dataset": "b", "deployment": "ort"}, 3, frozenset({1})),
    ]
    assert explain(jobs) == (
        "fixed.onnx is not what its stage wrote\n"
        "    fix_onnx           crnn\n"
        "\n"
        "because fix_onnx reruns\n"
        "    build_onnxruntime  crnn ort\n"
        "    predict_words      a ort, b ort\n"
        "\n"
        "4 jobs would run."
    )


def test_what_follows_two_changes_names_both() -> None:
    jobs = [
        Job("make_tensors", {}, 0, missing=("contract.json",)),
        Job("fix_onnx", {}, 1, missing=("fixed.onnx",)),
        Job("prove_words", {}, 2, frozenset({0, 1})),
    ]
    assert "because fix_onnx and make_tensors rerun\n    prove_words" in explain(jobs)


def test_many_jobs_of_a_rule_are_counted() -> None:
    jobs = [Job("make_tensors", {"dataset": f"d{number}"}, number, missing=("x",)) for number in range(9)]
    assert "make_tensors  d0, d1, d2, d3, … (9 in all)" in explain(jobs)


def test_a_job_that_nothing_changed_for_was_asked_for() -> None:
    assert explain([Job("make_report", {})]).startswith("asked for\n    make_report")
