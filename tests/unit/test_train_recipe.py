"""The settings of a training run."""

from typing import Any

import pytest

from crnn.core.errors import UserError
from crnn.train.recipe import Recipe


def test_settings_of_the_config_become_a_recipe() -> None:
    recipe = Recipe.from_settings({"words": 1000, "batch": 64, "jitter": [0.9, 1.1]})
    assert recipe.steps == 15  # the last 40 words fill no batch
    assert recipe.jitter == (0.9, 1.1)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"jitter": [1.2, 0.8]}, "jitter"),
        ({"jitter": [1.0]}, "training"),
        ({"words": 10, "batch": 64}, "batch is 64"),
        ({"average": 1.0}, "average"),
        ({"warmup": 0.0}, "warmup"),
        ({"lerning_rate": 0.1}, "lerning_rate"),
    ],
)
def test_a_setting_that_makes_no_sense_is_named(settings: dict[str, Any], named: str) -> None:
    with pytest.raises(UserError, match=named):
        Recipe.from_settings(settings)
