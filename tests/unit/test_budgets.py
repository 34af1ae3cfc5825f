"""Budgets: each is kept at its limit and exceeded just beyond, and says so in words."""

from typing import Any

import pytest

from crnn.score.budgets import judge_budgets, verdict_rows

BUDGETS = {
    **{"accuracy_drop": 0.005, "flipped": 0.01, "changed_by_surgery": 0, "max_abs_difference": 1e-5},
    **{"changed_by_batching": 0, "changed_by_repeating": 0},
}


def audit_of(*, changed: int = 0, max_abs_difference: float = 0.0, **counts: int) -> dict[str, Any]:
    """The audit of 3000 words in which nothing changed, save `counts` and what surgery did."""
    surgery = {"changed": changed, "max_abs_difference": max_abs_difference}
    return {"samples": 3000, "flipped": 0, "fixed": 0, "broken": 0, "surgery": surgery, **counts}


def row_of(**facts: Any) -> dict[str, Any]:
    """A report row in which nothing changed, save `facts`."""
    return {
        **{"dataset": "iiit5k", "model": "crnn", "deployment": "om-fp16", "audit": audit_of()},
        **{"batching": {"changed": 0}, "repeat_texts": {"e2e_changed": 0, "infer_only_changed": 0}},
        **facts,
    }


AT_THE_LIMIT = {
    "accuracy_drop": row_of(audit=audit_of(broken=20, fixed=5)),  # 15 of 3000
    "flipped": row_of(audit=audit_of(flipped=30)),
    "max_abs_difference": row_of(audit=audit_of(max_abs_difference=1e-5)),
}
BEYOND = {
    "accuracy_drop": row_of(audit=audit_of(broken=16)),
    "flipped": row_of(audit=audit_of(flipped=31)),
    "changed_by_surgery": row_of(audit=audit_of(changed=1)),
    "max_abs_difference": row_of(audit=audit_of(max_abs_difference=1.1e-5)),
    "changed_by_batching": row_of(batching={"changed": 1}),
    "changed_by_repeating": row_of(repeat_texts={"e2e_changed": 0, "infer_only_changed": 1}),
}


def test_a_row_in_which_nothing_changed_keeps_every_budget() -> None:
    verdicts = judge_budgets([row_of()], BUDGETS)
    assert [verdict.budget for verdict in verdicts] == list(BUDGETS)
    assert all(verdict.kept and verdict.value == 0 for verdict in verdicts)


@pytest.mark.parametrize("budget", AT_THE_LIMIT)
def test_a_budget_is_kept_at_its_limit(budget: str) -> None:
    assert all(verdict.kept for verdict in judge_budgets([AT_THE_LIMIT[budget]], BUDGETS))


@pytest.mark.parametrize("budget", BEYOND)
def test_one_word_beyond_the_limit_exceeds_that_budget_alone(budget: str) -> None:
    exceeded = [verdict.budget for verdict in judge_budgets([BEYOND[budget]], BUDGETS) if not verdict.kept]
    assert exceeded == [budget]


def test_a_cascade_has_no_budget_of_other_texts_than_its_last_member_reads() -> None:
    row = row_of(cascade={"threshold": 0.7}, audit=audit_of(flipped=300, broken=16))
    verdicts = {verdict.budget: verdict.kept for verdict in judge_budgets([row], BUDGETS)}
    assert verdicts == {**dict.fromkeys(BUDGETS.keys() - {"flipped"}, True), "accuracy_drop": False}


def test_words_changed_by_either_clock_count() -> None:
    (verdict,) = judge_budgets(
        [row_of(repeat_texts={"e2e_changed": 2, "infer_only_changed": 3})], {"changed_by_repeating": 4}
    )
    assert (verdict.value, verdict.kept) == (5, False)


def test_memory_is_held_where_it_was_measured() -> None:
    measured = row_of(memory_mib={"run": 300.5})
    (verdict,) = judge_budgets([row_of(memory_mib=None), measured], {"memory_mib": 300})
    assert (verdict.value, verdict.kept) == (300.5, False)


def test_a_deployment_that_reads_better_than_its_reference_drops_nothing() -> None:
    (verdict,) = judge_budgets([row_of(audit=audit_of(fixed=9))], {"accuracy_drop": 0.0})
    assert verdict.value == -0.003
    assert verdict.kept


def test_a_verdict_names_run_value_limit_and_config_key() -> None:
    (verdict,) = judge_budgets([BEYOND["flipped"]], {"flipped": 0.01})
    assert str(verdict) == ("iiit5k / crnn / om-fp16: flipped is 0.0103333, over the budget of 0.01 (budgets.flipped)")
    (kept,) = judge_budgets([AT_THE_LIMIT["flipped"]], {"flipped": 0.01})
    assert "flipped is 0.01, within the budget of 0.01" in str(kept)


def test_what_a_row_does_not_have_is_not_judged() -> None:
    bare = row_of(audit=None, batching=None, repeat_texts=None)
    assert judge_budgets([bare], BUDGETS) == []
    del bare["batching"], bare["repeat_texts"]
    assert judge_budgets([bare], BUDGETS) == []


@pytest.mark.parametrize(
    "audit", [{**audit_of(), "surgery": None}, {"samples": 3, "flipped": 0, "fixed": 0, "broken": 0}]
)
def test_surgery_is_not_judged_where_no_audit_followed_it(audit: dict[str, Any]) -> None:
    assert judge_budgets([row_of(audit=audit)], {"changed_by_surgery": 0, "max_abs_difference": 1e-5}) == []


def test_verdicts_are_written_for_every_row() -> None:
    rows = verdict_rows(judge_budgets([row_of(), BEYOND["flipped"]], {"flipped": 0.01}))
    assert [(row["deployment"], row["budget"], row["allowed"], row["kept"]) for row in rows] == [
        ("om-fp16", "flipped", 0.01, True),
        ("om-fp16", "flipped", 0.01, False),
    ]
