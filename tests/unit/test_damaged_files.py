"""Damaged files of every kind that people bring: a status, one line, or the right text, and every record accounted for.

Damage is a list of places with the bytes that stand there instead, and a cut. What is law for a good file is law here
too: nothing but the errors for users is raised, and no half file stays.
"""

import copy
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeVar, get_args

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from test_decode import GRAY, saved

from configs import ROOT, shipped, with_defaults
from crnn.core.errors import UserError
from crnn.data.decode import decode
from crnn.data.lmdb import Word, Words, write_words
from crnn.data.sources.images import Findings, is_image_in, read_images
from crnn.data.sources.label_files import read_labels
from crnn.data.sources.soundness import import_words
from crnn.data.tensors import ImageStatus, LabelStatus, prepare
from crnn.model.checkpoint import read_checkpoint
from crnn.model.weights import write_weights
from crnn.runtimes.registry import known_runtimes
from engine.config import ConfigError, check_meaning
from examples import ASPECT, POLICY, RECIPE, png, scribble
from networks import SMALL, small_network

pytestmark = pytest.mark.slow

STATUSES = {*get_args(ImageStatus), *get_args(LabelStatus)}
WORDS = 40
Result = TypeVar("Result")
Damage = Callable[[bytes], bytes]

slowly = partial(settings, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def damages(draw: st.DrawFn) -> Damage:
    """What befalls a file: bytes that are others, in places given as shares of its length; and perhaps its end."""
    edits = draw(st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=64)), max_size=6))
    kept = draw(st.one_of(st.just(1.0), st.floats(0, 1)))

    def damaged(content: bytes) -> bytes:
        for place, other in edits:
            start = int(place * len(content))
            content = content[:start] + other + content[start + len(other) :]
        return content[: int(kept * len(content))]

    return damaged


@contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def attempted(work: Callable[[], Result]) -> Result | None:
    """What `work` returns; None where it says in one line what is wrong."""
    try:
        return work()
    except UserError as error:
        said = str(error)
    assert said
    assert "\n" not in said
    return None


# --- LMDBs -------------------------------------------------------------------------------------------------


@cache
def good_lmdb() -> bytes:
    with folder() as home:
        write_words(home / "words", [(png(scribble(60 + i, 20, i)), f"Word{i}") for i in range(WORDS)])
        return (home / "words/data.mdb").read_bytes()


@slowly(max_examples=60)
@given(damages())
def test_a_damaged_lmdb(damage: Damage) -> None:
    with folder() as home:
        (home / "source").mkdir()
        (home / "source/data.mdb").write_bytes(damage(good_lmdb()))
        found = attempted(lambda: import_words(home / "source", home / "words"))
        if found is None:
            assert list((home / "words").glob("*")) == []
        else:
            with Words(home / "words") as words:
                rows = [prepare(word, ASPECT, POLICY)[0] for word in words]
            assert [row.index for row in rows] == list(range(1, found.words + 1))
            assert {row.status for row in rows} <= STATUSES
        assert {path.name for path in home.iterdir()} <= {"source", "words"}


# --- images and labels of a record -------------------------------------------------------------------------


@slowly(max_examples=600)
@given(
    st.sampled_from(["PNG", "JPEG", "GIF", "TIFF", "WEBP", "BMP", "PPM", "JPEG2000", "AVIF"]), damages(), st.binary()
)
def test_a_damaged_image_and_any_label(form: str, damage: Damage, label: bytes) -> None:
    image = damage(saved(Image.fromarray(GRAY).convert("RGB"), form))
    rows = {prepare(Word(1, image, label), rule, POLICY)[0].status for rule in (ASPECT, RECIPE)}
    assert len(rows) == 1
    assert rows <= STATUSES
    assert (decode(image, 3) is None) == (decode(image) is None)


# --- label files -------------------------------------------------------------------------------------------

LABEL_FILES = [
    "file,text\n" + "".join(f"w{i}.png,Word{i}\n" for i in range(9)),
    "".join(f"w{i}.png\tWord{i}\n" for i in range(9)),
    "".join(f'w{i}.png, "Word{i}"\r\n' for i in range(9)),
    "".join(f'{{"filename": "w{i}.png", "text": "Word{i}"}}\n' for i in range(9)),
    '{"data_list": ['
    + ",".join(f'{{"img_path": "w{i}.png", "instances": [{{"text": "W"}}]}}' for i in range(9))
    + "]}",
    "".join(f"Word{i} w{i}.png\n" for i in range(9)),
]


@slowly(max_examples=400)
@given(st.sampled_from(LABEL_FILES), damages())
def test_a_damaged_label_file(content: str, damage: Damage) -> None:
    with folder() as home:
        for number in range(9):
            (home / f"w{number}.png").write_bytes(png(GRAY))
        labels = home / "labels"
        labels.write_bytes(damage(content.encode()))
        entries = attempted(lambda: read_labels(labels, None, partial(is_image_in, home)))
        pairs = read_images(home, labels, entries or [], Findings())
        count = attempted(lambda: write_words(home / "words", pairs)) if entries else None
        assert count == (len(entries or []) if (home / "words/data.mdb").exists() else None)


# --- configs -----------------------------------------------------------------------------------------------

VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=9), st.just([]), st.just({}), st.just(["a"])
)


def keys_in(value: Any, *within: Any) -> Iterator[tuple[Any, ...]]:
    """Where every value of a config stands."""
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield (*within, key)
        yield from keys_in(item, *within, key)


@slowly(max_examples=300)
@given(st.data())
def test_a_config_with_any_value_anywhere(data: st.DataObject) -> None:
    config = copy.deepcopy(with_defaults(shipped()))
    *within, key = data.draw(st.sampled_from(list(keys_in(config))))
    place: Any = config
    for each in within:
        place = place[each]
    place[key] = data.draw(VALUES)
    if data.draw(st.booleans()) and isinstance(place, dict):
        place[data.draw(VALUES.filter(lambda value: not isinstance(value, list | dict)))] = place.pop(key)
    with suppress(ConfigError):
        check_meaning(with_defaults(config), known_runtimes(), ROOT)


# --- checkpoints -------------------------------------------------------------------------------------------


@cache
def good_checkpoint(suffix: str) -> bytes:
    with folder() as home:
        if suffix == ".safetensors":
            write_weights(small_network().state_dict(), SMALL, home / f"weights{suffix}")
        else:
            legacy = suffix == ".pt"
            state = small_network().state_dict()
            torch.save(state, home / f"weights{suffix}", _use_new_zipfile_serialization=not legacy)
        return (home / f"weights{suffix}").read_bytes()


@slowly(max_examples=200)
@given(st.sampled_from([".safetensors", ".pth", ".pt"]), damages())
def test_a_damaged_checkpoint(suffix: str, damage: Damage) -> None:
    with folder() as home:
        path = home / f"weights{suffix}"
        path.write_bytes(damage(good_checkpoint(suffix)))
        imported = attempted(lambda: read_checkpoint(path, SMALL))
        assert imported is None or imported.state
