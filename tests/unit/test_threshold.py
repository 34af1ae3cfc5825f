"""The threshold of a cascade: what each one reads of the tuning words, and the lowest that keeps the goal."""

import json
from math import sqrt
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crnn.core.errors import UserError
from crnn.core.files import read_json
from crnn.inference.combine import Keep, combined
from crnn.inference.predict import SCHEMA
from crnn.planning.threshold import THRESHOLDS, Goal, Point, cheapest, frontier
from crnn.score.accuracy import judge
from examples import CHARACTERS, POLICY
from stage_calls import call

WORDS = 200


def samples(labels: list[str]) -> pl.DataFrame:
    status = ["ok" if label else "missing-label" for label in labels]
    return pl.DataFrame({"index": range(1, len(labels) + 1), "text": labels, "status": status})


def readings(texts: list[str | None], confidences: list[float | None]) -> pl.DataFrame:
    return pl.DataFrame({"index": range(1, len(texts) + 1), "text": texts, "confidence": confidences}, schema=SCHEMA)


def two_members() -> tuple[pl.DataFrame, list[pl.DataFrame]]:
    """The first is wrong where it is least sure: in 20 of 200 words. The second is right but for one, the surest."""
    sure = [index / WORDS for index in range(WORDS)]
    first = readings(["exil" if index < 20 else "exit" for index in range(WORDS)], sure)
    second = readings(["exit"] * (WORDS - 1) + ["exil"], [0.9] * WORDS)
    return samples(["exit"] * WORDS), [first, second]


# --- what each threshold reads -----------------------------------------------------------------------------

READ = st.none() | st.tuples(st.sampled_from(["exit", "exil"]), st.sampled_from([0.1, 0.5, 0.504, 0.9]))


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(READ, READ), min_size=1, max_size=8), st.sampled_from(["last", "most-confident"]))
def test_every_threshold_is_judged_by_what_the_cascade_reads(
    words: list[tuple[tuple[str, float] | None, tuple[str, float] | None]], keep: Keep
) -> None:
    columns = zip(*words, strict=True)
    members = [readings(*map(list, zip(*(read or (None, None) for read in each), strict=True))) for each in columns]
    labelled = samples(["exit"] * len(words))
    last = judge(labelled, members[-1], POLICY)["correct"]
    for point in frontier(labelled, members, POLICY, keep)[::10]:
        found = combined(members, point.threshold, keep)
        own = judge(labelled, found, POLICY)["correct"]
        assert (point.words, point.correct) == (len(words), own.sum())
        assert (point.lost, point.gained) == ((last & ~own).sum(), (own & ~last).sum())
        assert point.handed_on == (found["members"] > 1).sum()


def test_the_thresholds_reach_from_no_word_to_every_word() -> None:
    points = frontier(*two_members(), POLICY, "last")
    assert [point.threshold for point in points] == THRESHOLDS
    assert (points[0].handed_on, points[-1].handed_on) == (0, WORDS)
    assert [point.handed_on for point in points] == sorted(point.handed_on for point in points)


def test_words_without_a_label_do_not_count() -> None:
    members = [readings(["exit", "exit"], [0.3, 0.3])] * 2
    assert {point.words for point in frontier(samples(["exit", ""]), members, POLICY, "last")} == {1}


# --- which one is taken ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("goal", "threshold"),
    [
        (Goal(accuracy=0.9), 0.0),
        (Goal(accuracy=0.95), 0.05),
        (Goal(accuracy=1.0), 0.1),
        (Goal(accuracy_drop=0.2), 0.0),  # 20 lost, 1 gained: with 95 % confidence at most 26.5 words of 200
        (Goal(accuracy_drop=0.1), 0.03),  # 14 lost, 1 gained: at most 19.4
        (Goal(accuracy_drop=0.005), 0.1),  # none lost, 1 gained: at most 0.6
        (Goal(accuracy_drop=0.0), 1.01),  # so is every word handed on
    ],
)
def test_the_lowest_threshold_that_keeps_the_goal_is_taken(goal: Goal, threshold: float) -> None:
    assert cheapest(frontier(*two_members(), POLICY, "last"), goal).threshold == threshold


def test_what_may_be_lost_is_held_against_the_upper_bound_of_the_loss() -> None:
    point = Point(0.5, words=1000, handed_on=300, correct=900, lost=9, gained=5)
    assert point.most_lost == pytest.approx(4 + 1.645 * sqrt(14))
    assert point.keeps(Goal(accuracy_drop=0.0102))
    assert not point.keeps(Goal(accuracy_drop=0.0101))


# --- the stage ---------------------------------------------------------------------------------------------


def plan(folder: Path, labelled: pl.DataFrame, members: list[pl.DataFrame], goal: dict[str, float]) -> None:
    labelled.write_parquet(folder / "samples.parquet")
    for number, each in enumerate(members):
        each.write_parquet(folder / f"{number}.parquet")
    files = [folder / f"{number}.parquet" for number in range(len(members))]
    told = {"labels": json.dumps({"characters": CHARACTERS}), "goal": json.dumps(goal)}
    output = {"output": folder / "cascade.json", "record": folder / "record.json"}
    call("plan_cascade", samples=folder / "samples.parquet", readings=tuple(files), **told, **output)


def test_the_plan_says_what_was_chosen_and_every_other_threshold(tmp_path: Path) -> None:
    plan(tmp_path, *two_members(), {"accuracy": 0.95})
    content = read_json(tmp_path / "cascade.json")
    assert (content["threshold"], content["keep"], content["goal"]) == (0.05, "last", {"accuracy": 0.95})
    assert content["planned"]["correct"] == 190
    assert content["planned"]["accuracy_ci95"][0] < 0.95 < content["planned"]["accuracy_ci95"][1]
    assert [each["threshold"] for each in content["frontier"]] == THRESHOLDS
    assert read_json(tmp_path / "record.json")["results"]["planned"]["handed_on"] == 10


def test_a_goal_that_no_threshold_keeps_is_said_in_a_line(tmp_path: Path) -> None:
    labelled, (first, _) = two_members()
    with pytest.raises(UserError) as error:
        plan(tmp_path, labelled, [first, first], {"accuracy": 0.95})
    assert str(error.value) == (
        "no threshold keeps an accuracy of 95.00%: of the 200 tuning words the best one, 0.0, reads 180 and loses 0 of "
        "the last member's. Ask for less, or tune on more words"
    )


def test_words_without_labels_are_said_in_a_line(tmp_path: Path) -> None:
    labelled, members = samples([""] * WORDS), two_members()[1]
    with pytest.raises(UserError, match="none of the tuning words has a label to plan a threshold by; name others in"):
        plan(tmp_path, labelled, members, {"accuracy": 0.5})
