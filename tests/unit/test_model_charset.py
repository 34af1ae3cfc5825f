"""The charset, and greedy CTC decoding against an implementation too plain to be wrong."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from crnn.core.errors import UserError
from crnn.data.preprocess import Tensor
from crnn.model.charset import BLANK, Charset, steps_needed
from crnn.model.decoding import greedy_decode
from examples import CHARACTERS, CHARSET

ABC = Charset("abc")
texts = st.text(CHARACTERS, max_size=12)


@st.composite
def outputs(draw: st.DrawFn) -> Tensor:
    """Log-probabilities float32 [T, N, 4], with ties among them."""
    shape = draw(array_shapes(min_dims=2, max_dims=2, max_side=8))
    scores = draw(arrays(np.float32, (*shape, ABC.classes), elements=st.integers(-6, 6).map(float)))
    return (scores - np.log(np.exp(scores).sum(axis=2, keepdims=True))).astype(np.float32)


def decode_plainly(steps: Tensor, charset: Charset) -> tuple[str, float]:
    """One word of [T, C]: walk the best path, drop repeats, drop blanks; multiply what each step gives its best."""
    text, confidence, previous = "", 1.0, BLANK
    for step in steps.tolist():
        best = step.index(max(step))
        confidence *= math.exp(step[best])
        if best not in (previous, BLANK):
            text += charset.characters[best - 1]
        previous = best
    return text, confidence


def path_of(classes: list[int], charset: Charset) -> Tensor:
    """Log-probabilities float32 [T, 1, C] that are sure of one class at every step."""
    with np.errstate(divide="ignore"):
        path: Tensor = np.log(np.eye(charset.classes, dtype=np.float32)[classes])[:, None]
    return path


def shortest_path(text: str) -> list[int]:
    """Classes that spell `text`, with a blank only where two neighbours are equal."""
    path: list[int] = []
    for wanted in CHARSET.encode(text):
        path += [BLANK, wanted] if path[-1:] == [wanted] else [wanted]
    return path


# --- charset -----------------------------------------------------------------------------------------------


def test_classes_are_the_characters_in_order_after_the_blank() -> None:
    assert CHARSET.classes == 37
    assert CHARSET.encode("0az") == [1, 11, 36]
    assert CHARSET.encode("") == []


@given(st.text(CHARACTERS))
def test_no_character_is_the_blank(text: str) -> None:
    assert BLANK not in CHARSET.encode(text)


def test_a_text_outside_the_charset_cannot_be_encoded() -> None:
    with pytest.raises(UserError, match=r"text 'ad!': \['!', 'd'\] not in the charset of 3 characters"):
        ABC.encode("ad!")


@pytest.mark.parametrize("characters", ["", [], ["", ""]])
def test_a_charset_needs_characters(characters: str | list[str]) -> None:
    with pytest.raises(UserError, match="charset: is empty; expected the characters of the network"):
        Charset(characters)


# --- how a charset is told ---------------------------------------------------------------------------------


@pytest.mark.parametrize("told", ["abc", ["a", "b", "c"]])
def test_a_charset_is_a_text_or_a_list(told: str | list[str]) -> None:
    assert Charset.from_settings(told) == ABC


def test_a_class_may_stand_for_several_letters() -> None:
    charset = Charset.from_settings(["th", "e"])
    assert greedy_decode(path_of([1, 0, 2], charset), charset)[0] == ["the"]


FILES = {
    "a character a line": (b"a\nb\nc\n", "abc"),
    "no line feed at the end": (b"a\nb\nc", "abc"),
    "a byte order mark": (b"\xef\xbb\xbfa\nb\n", "ab"),
    "lines of Windows": (b"a\r\nb\r\n", "ab"),
    "characters that other programs take for the end of a line": ("\u2028\n\x85\n\x0c\n".encode(), "\u2028\x85\x0c"),
    "blanks": (" \n\u3000\nb\n".encode(), " \u3000b"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_has_a_character_a_line(name: str, tmp_path: Path) -> None:
    content, expected = FILES[name]
    (tmp_path / "dict.txt").write_bytes(content)
    assert Charset.from_settings({"file": str(tmp_path / "dict.txt")}) == Charset(expected)


def test_an_empty_line_is_a_class_that_stands_for_nothing(tmp_path: Path) -> None:
    (tmp_path / "dict.txt").write_text("a\n\nb\n")
    charset = Charset.from_settings({"file": str(tmp_path / "dict.txt")})
    assert charset.classes == 4
    assert greedy_decode(path_of([1, 2, 3], charset), charset)[0] == ["ab"]


def test_the_metadata_of_an_onnx_file_has_a_character_a_line_and_more_may_follow() -> None:
    told = {"metadata": "character", "append": " é"}
    assert Charset.from_settings(told, {"character": "a\nb\n"}) == Charset("ab é")


CHARSET_FAULTS: dict[str, tuple[dict[str, str], str]] = {
    "no such file": ({"file": "dict.txt"}, r"charset.file is '.*dict.txt', which does not exist"),
    "another encoding": ({"file": "gbk.txt"}, r"charset.file .*gbk.txt: is no UTF-8 text \(.* at byte 0\)"),
    "no such key": ({"metadata": "chars"}, "charset.metadata is 'chars', which .* lacks; it has: character, shape"),
}


@pytest.mark.parametrize("name", CHARSET_FAULTS)
def test_a_charset_that_is_not_there_is_named(name: str, tmp_path: Path) -> None:
    told, message = CHARSET_FAULTS[name]
    (tmp_path / "gbk.txt").write_bytes("你好".encode("gbk"))
    placed = {key: str(tmp_path / value) if key == "file" else value for key, value in told.items()}
    with pytest.raises(UserError, match=message):
        Charset.from_settings(placed, {"character": "a", "shape": "3,48"})


def test_a_repeated_character_is_read_at_each_of_its_classes_and_written_at_the_first() -> None:
    charset = Charset("aba")
    assert charset.encode("aab") == [1, 1, 2]
    assert greedy_decode(path_of([1, 3, 0, 3, 3, 2], charset), charset)[0] == ["aaab"]


# --- greedy decoding ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ([0, 0, 0], ""),
        ([1, 1, 1], "a"),
        ([1, 0, 1], "aa"),
        ([0, 1, 1, 0, 2, 2, 3, 0], "abc"),
        ([1, 2, 1], "aba"),
        ([3, 0, 0, 3, 3], "cc"),
    ],
)
def test_repeats_merge_and_blanks_part_them(path: list[int], text: str) -> None:
    assert greedy_decode(path_of(path, ABC), ABC) == ([text], [1.0])


@given(outputs())
def test_decoding_a_batch_equals_decoding_each_word_plainly(log_probabilities: Tensor) -> None:
    decoded, confidences = greedy_decode(log_probabilities, ABC)
    plain = [decode_plainly(log_probabilities[:, n], ABC) for n in range(log_probabilities.shape[1])]
    assert decoded == [text for text, _ in plain]
    assert confidences == pytest.approx([confidence for _, confidence in plain])


@given(outputs())
def test_confidence_is_a_probability(log_probabilities: Tensor) -> None:
    _, confidences = greedy_decode(log_probabilities, ABC)
    assert all(0 <= confidence <= 1 for confidence in confidences)


def test_confidence_is_the_probability_of_the_whole_best_path() -> None:
    steps = np.log(np.array([[0.1, 0.8, 0.1, 0.0], [0.5, 0.2, 0.2, 0.1], [0.1, 0.1, 0.1, 0.7]], np.float32) + 1e-30)
    texts, confidences = greedy_decode(steps[:, None], ABC)
    assert texts == ["ac"]
    assert confidences == pytest.approx([0.8 * 0.5 * 0.7])


@given(texts, st.data())
def test_any_text_comes_back_from_any_path_that_spells_it(text: str, data: st.DataObject) -> None:
    stretched = [step for step in shortest_path(text) for _ in range(data.draw(st.integers(1, 3)))]
    padded = [BLANK] * data.draw(st.integers(0, 2)) + stretched + [BLANK] * data.draw(st.integers(1, 3))
    assert greedy_decode(path_of(padded, CHARSET), CHARSET) == ([text], [1.0])


@given(texts)
def test_steps_needed_is_the_length_of_the_shortest_path(text: str) -> None:
    assert steps_needed(text) == len(shortest_path(text))


def test_a_double_letter_needs_a_step_more() -> None:
    assert [steps_needed(text) for text in ("", "a", "helo", "hello", "aaa")] == [0, 1, 4, 6, 5]
