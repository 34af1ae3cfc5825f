"""The settings of a training run."""

from typing import Any

import pytest

from crnn.core.errors import UserError
from crnn.train.settings import TrainingSettings


def test_an_entry_of_the_config_becomes_settings() -> None:
    settings = TrainingSettings(**{"words": 1000, "batch": 64, "jitter": [0.9, 1.1]})
    assert settings.share(15 * 64, seconds=5) == 1  # the last 40 words fill no batch
    assert settings.jitter == (0.9, 1.1)


@pytest.mark.parametrize(
    ("entry", "named"), [({"jitter": [1.2, 0.8]}, "jitter"), ({"words": 10, "batch": 64}, "batch is 64")]
)
def test_a_setting_that_makes_no_sense_is_named(entry: dict[str, Any], named: str) -> None:
    with pytest.raises(UserError, match=named):
        TrainingSettings(**entry)


def test_a_run_of_minutes_ends_by_the_clock() -> None:
    settings = TrainingSettings(minutes=2)
    assert settings.share(10**9, seconds=60) == 0.5
    assert settings.share(0, seconds=120) == 1


def test_the_learning_rate_rises_in_the_warm_up_and_falls_to_nothing() -> None:
    settings = TrainingSettings(learning_rate=1.0, warmup=0.1)
    rates = [settings.rate(share / 100) for share in range(101)]
    assert rates[0] == pytest.approx(1 / 25)
    assert rates[10] == 1
    assert rates[100] == pytest.approx(0)
    assert rates[:11] == sorted(rates[:11])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert settings.rate(1.3) == rates[100]
