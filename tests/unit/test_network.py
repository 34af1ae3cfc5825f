"""The CRNN in PyTorch: its shapes, what its outputs are, and that the recipe's formulation is the same function."""

from typing import Any

import numpy as np
import pytest

from crnn.core.errors import UserError
from crnn.model.network import CRNN, NetworkSize
from networks import SMALL, images, recipe_network, run_network, small_network


@pytest.mark.parametrize("width", [32, 33, 34, 35, 36, 99, 100, 101, 160, 320])
def test_a_word_has_a_quarter_of_its_width_in_steps_and_one_more(width: int) -> None:
    assert run_network(small_network(), images(2, width)).shape == (width // 4 + 1, 2, 37)


def test_outputs_are_log_probabilities() -> None:
    output = run_network(small_network(), images(3, 100))
    np.testing.assert_allclose(np.exp(output).sum(axis=2), 1, rtol=1e-5)


def test_a_word_reads_the_same_alone_and_in_a_batch() -> None:
    network, batch = small_network(), images(4, 100)
    alone = np.concatenate([run_network(network, word[None]) for word in batch], axis=1)
    np.testing.assert_allclose(run_network(network, batch), alone, atol=1e-5)


@pytest.mark.parametrize(("batch", "width"), [(1, 32), (3, 101)])
def test_the_recipes_two_one_way_lstms_are_the_same_function(batch: int, width: int) -> None:
    network, words = small_network(), images(batch, width)
    expected = run_network(network, words)
    np.testing.assert_allclose(run_network(recipe_network(network), words), expected, atol=1e-6)


def test_keys_are_those_of_public_ports() -> None:
    keys = set(CRNN(SMALL).state_dict())
    assert {"cnn.conv0.weight", "cnn.batchnorm2.running_mean", "rnn.0.rnn.weight_ih_l0"} < keys
    assert {"rnn.1.rnn.bias_hh_l0_reverse", "rnn.1.embedding.bias"} < keys


def test_the_default_size_is_that_of_the_paper() -> None:
    parameters = sum(parameter.numel() for parameter in CRNN(NetworkSize()).parameters())
    assert round(parameters / 1e6, 1) == 8.3  # as Shi et al. state, section 3.2


@pytest.mark.parametrize(
    "size",
    [{"channels": (4,) * 6}, {"channels": (4, 4, 4, 0, 4, 4, 4)}, {"hidden": 0}, {"classes": 1}],
    ids=["six convolutions", "a convolution without outputs", "no hidden units", "blank alone"],
)
def test_impossible_sizes_are_refused(size: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="needs 7 positive channel counts, hidden >= 1, classes >= 2"):
        NetworkSize(**size)


def test_weights_decide_the_outputs() -> None:
    words = images(1, 64)
    assert not np.allclose(run_network(small_network(0), words), run_network(small_network(1), words), atol=0.1)
    np.testing.assert_array_equal(run_network(small_network(0), words), run_network(small_network(0), words))
