"""Cascades in a config: what a row has of its members, what its jobs read, and what cannot be a cascade."""

from typing import Any

import pytest

from configs import ROOT, Config, checked
from crnn.runtimes.registry import known_runtimes
from engine.cascades import CascadeLayout
from engine.config import ConfigError
from engine.layout import Layout
from engine.rows import Run
from examples import CHARACTERS

WIDE = {"rule": "aspect", "stretch": 1.6}
MEMBER = {"runtime": "onnxruntime", "widths": "aspect", "models": ["crnn"]}


def config(**cascade: Any) -> Config:
    """Two looks of one model, and a cascade of them."""
    look = {"first": MEMBER, "second": {**MEMBER, "widths": "wide", "batch": 4}}
    return {"widths": {"wide": WIDE}, "deployments": {**look, "both": {"cascade": ["first", "second"], **cascade}}}


def cascades(*overlays: Config) -> CascadeLayout:
    return CascadeLayout(Layout(checked(config(), *overlays), known_runtimes(), ROOT))


# --- what a cascade is -------------------------------------------------------------------------------------


def test_a_row_has_the_widths_of_the_first_member_and_the_model_of_the_last() -> None:
    models = {"other": {"onnx": "Makefile", "charset": CHARACTERS}}
    others = {"second": {**MEMBER, "models": ["other"]}, "torch": None}  # which runs no ONNX file
    entry = checked(config(), {"models": models, "deployments": others})["deployments"]["both"]
    assert (entry["runtime"], entry["widths"], entry["precision"], entry["models"]) == (
        *("cascade", "aspect", "mixed"),
        ["other"],
    )


def test_it_is_a_row_for_the_model_of_its_last_member() -> None:
    assert Run("sample", "crnn", "both") in cascades().layout.runs
    assert cascades().names == ["both"]


def test_it_is_audited_against_its_last_member() -> None:
    folder = "results/predictions/sample/crnn"
    assert cascades().layout.audited(Run("sample", "crnn", "both")) == {
        "second": [f"{folder}/wide/second/1.parquet"],
        "build": [f"{folder}/aspect/both/1.parquet"],
    }


def test_each_part_is_combined_from_that_part_of_the_members() -> None:
    parted = cascades({"datasets": {"sample": {"parts": 2}}})
    folder = "results/predictions/sample/crnn"
    assert parted.readings("sample", "both", "2") == [
        f"{folder}/aspect/first/2.parquet",
        f"{folder}/wide/second/2.parquet",
    ]
    assert parted.layout.predictions_of(Run("sample", "crnn", "both")) == [
        f"{folder}/aspect/both/{part}.parquet" for part in (1, 2)
    ]


def test_its_clock_loads_each_member_with_its_own_widths_and_batch() -> None:
    told = cascades().options("both")
    assert ['"batch":"16"' in told[0], '"batch":"4"' in told[1]] == [True, True]
    assert ['"stretch":1.2' in told[0], '"stretch":1.6' in told[1]] == [True, True]
    assert "results/builds/crnn/second/model.onnx" in cascades().files("both")


@pytest.mark.parametrize(
    ("entry", "goal"),
    [
        ({}, {"accuracy_drop": 0.005}),
        ({"accuracy_drop": 0.02}, {"accuracy_drop": 0.02}),
        ({"accuracy": 0.9}, {"accuracy": 0.9}),
    ],
)
def test_a_goal_is_a_loss_or_an_accuracy(entry: Config, goal: Config) -> None:
    assert cascades(config(**entry)).goal("both") == goal


def test_it_has_a_bundle_where_its_members_have() -> None:
    assert "results/bundles/crnn/both" in cascades().layout.bundles()
    assert cascades().bundles("both") == ["results/bundles/crnn/first", "results/bundles/crnn/second"]
    recipe = cascades({"deployments": {"second": {"widths": "recipe"}}})
    assert "results/bundles/crnn/both" not in recipe.layout.bundles()


# --- what is none ------------------------------------------------------------------------------------------

NO_MEMBER = "expected other deployments that are run and are no cascades"


@pytest.mark.parametrize(
    ("deployments", "fault"),
    [
        ({"both": {"cascade": ["first", "third"]}}, f"deployments.both.cascade names 'third'; {NO_MEMBER}"),
        ({"both": {"cascade": ["first", "both"]}}, f"deployments.both.cascade names 'both'; {NO_MEMBER}"),
        ({"second": {"skip": "no time"}}, f"deployments.both.cascade names 'second'; {NO_MEMBER}"),
        (
            {"second": {"models": ["crnn", "other"]}},
            "deployments.both.cascade names 'second', which is for several models; name its one in its `models`",
        ),
        ({"both": {"runtime": "onnxruntime"}}, "deployments.both: has cascade and runtime, which its members say"),
        ({"both": {"widths": "wide"}}, "deployments.both: has cascade and widths, which its members say"),
        ({"both": {"cascade": ["first"]}}, "deployments.both.cascade is ['first']; expected at least 2 items"),
        ({"both": {"keep": "first"}}, "deployments.both.keep is 'first'; expected one of last, most-confident"),
        (
            {"both": {"accuracy": 0.9, "accuracy_drop": 0.01}},
            "deployments.both: has accuracy and accuracy_drop; expected one of them",
        ),
        ({"first": {"keep": "last"}}, "deployments.first: has keep, which are for a cascade"),
        ({"plain": {"widths": "wide"}}, "deployments.plain: missing key 'runtime'"),
        ({"plain": {"runtime": "onnxruntime"}}, "deployments.plain: missing key 'widths'"),
    ],
    ids=[
        *(
            "an unknown member",
            "itself",
            "a member that is not run",
            "a member of several models",
            "a runtime beside it",
        ),
        *(
            "widths beside it",
            "one member",
            "an unknown reading",
            "two goals",
            "a key of cascades",
            "no runtime",
            "no widths",
        ),
    ],
)
def test_what_is_no_cascade_is_named(deployments: Config, fault: str) -> None:
    other = {"other": {"onnx": "Makefile", "charset": "abc"}}
    with pytest.raises(ConfigError) as error:
        checked(config(), {"models": other, "deployments": deployments})
    assert fault in str(error.value)


def test_a_threshold_is_not_planned_on_words_that_are_scored() -> None:
    with pytest.raises(ConfigError, match=r"planning\.seed is 1, as datasets\.sample\.sample\.seed; expected another"):
        checked(config(), {"planning": {"seed": 1}})


def test_widths_are_not_planned_on_a_cascade() -> None:
    planned = {"widths": {"planned": {"rule": "planned", "deployment": "both"}}}
    with pytest.raises(ConfigError, match=r"widths\.planned\.deployment is 'both', a cascade; name one of its members"):
        checked(config(), planned)
