"""One step of the optimiser, and what of a network is kept."""

import math
from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from test_train_stream import first

from crnn.core.errors import UserError
from crnn.model.network import CRNN
from crnn.train.settings import TrainingSettings
from crnn.train.steps import chosen_device, ctc_loss, has_bfloat16, kept_weights, log_probabilities
from training import small_learner
from workspace import SMALL

SETTINGS = TrainingSettings(words=4000, batch=4, learning_rate=0.01, average=0.5)


def test_learning_from_one_batch_again_and_again_brings_its_loss_down() -> None:
    learner, batch = small_learner(SETTINGS), first(1)[0]
    losses = [learner.learn(batch, 0.2) for _ in range(60)]
    assert losses[-1] < 0.5 * losses[0]


def test_the_loss_of_a_certain_reading_is_its_improbability_per_character() -> None:
    # Two steps that say `a` or the blank with equal chance; `a` is spelt by three of the four paths.
    log_probabilities = torch.full((2, 1, 2), math.log(0.5))
    assert float(ctc_loss(log_probabilities, [[1]])) == pytest.approx(-math.log(0.75))


def test_a_word_that_cannot_be_spelt_counts_as_zero() -> None:
    assert float(ctc_loss(torch.full((2, 1, 2), math.log(0.5)), [[1, 1]])) == 0


@pytest.mark.parametrize(
    ("instructions", "dtype"),
    [({}, torch.float32), ({"avx512_bf16": False}, torch.float32), ({"avx512_bf16": True}, torch.bfloat16)],
)
def test_convolutions_run_in_bfloat16_where_the_processor_has_it(
    monkeypatch: pytest.MonkeyPatch, instructions: dict[str, bool], dtype: torch.dtype
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: instructions)
    network, seen = CRNN(SMALL).train(), []
    network.cnn[-1].register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))
    log_probabilities(network, torch.zeros(2, 1, 32, 40))
    assert seen == [dtype]
    assert has_bfloat16(torch.device("cpu")) == (dtype == torch.bfloat16)


def test_a_learner_goes_on_from_its_state_bit_for_bit() -> None:
    made = first(6)
    ours = small_learner(SETTINGS)
    for batch in made[:3]:
        ours.learn(batch, 0.2)
    theirs = small_learner(replace(SETTINGS, seed=9))
    theirs.load_state_dict(deepcopy(ours.state_dict()))
    assert [ours.learn(batch, 0.2) for batch in made[3:]] == [theirs.learn(batch, 0.2) for batch in made[3:]]


def test_the_average_follows_the_weights_at_its_own_pace() -> None:
    learner, batch = small_learner(SETTINGS), first(1)[0]
    learner.learn(batch, 0.2)
    before = learner.averaged.rnn[1].embedding.bias.clone()
    learner.learn(batch, 0.2)
    after, weights = learner.averaged.rnn[1].embedding.bias, learner.network.rnn[1].embedding.bias
    torch.testing.assert_close(after, 0.5 * before + 0.5 * weights)


def test_a_loss_that_is_not_a_number_stops_the_run() -> None:
    learner = small_learner(SETTINGS)
    with torch.no_grad():
        learner.network.rnn[1].embedding.bias[0] = torch.nan
    with pytest.raises(RuntimeError, match="lower learning_rate"):
        learner.learn(first(1)[0], 0.2)


def test_matrices_are_kept_in_half_precision_and_vectors_whole() -> None:
    kept = kept_weights(CRNN(SMALL))
    assert {kept[name].dtype for name in ("cnn.conv0.weight", "rnn.0.rnn.weight_hh_l0")} == {torch.float16}
    assert {kept[name].dtype for name in ("cnn.conv0.bias", "cnn.batchnorm2.running_var")} == {torch.float32}


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_gpu_that_is_not_there_is_an_error_only_when_asked_for() -> None:
    assert chosen_device("auto").type == "cpu"
    with pytest.raises(UserError, match="device: cpu"):
        chosen_device("cuda")
