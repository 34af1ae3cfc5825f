"""Load: a service reads requests as they come, and the figures are those of the load generator's own log."""

import json
import re
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from crnn.core.errors import UserError
from crnn.core.files import read_json
from crnn.data.lmdb import Words
from crnn.inference.load import Scenario
from crnn.inference.service import Service
from crnn.inference.sources import readable_images
from crnn.model.contract import Contract
from examples import ASPECT, CHARSET, PixelReader, faulty_words, healthy_words, png, read_alone, reader_of, scribble
from stage_calls import added_runtime, call

SESSION = """
from examples import PixelReader


def load(model, options, threads, calls=1):
    session = PixelReader()
    session.close = lambda: None
    return session
"""


@pytest.fixture
def images(tmp_path: Path) -> list[bytes]:
    with Words(healthy_words(tmp_path / "words.lmdb")) as words:
        return [image for image, _ in readable_images(words, ASPECT, 99)]


@pytest.fixture(scope="module")
def columns(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with added_runtime(tmp_path_factory.mktemp("runtimes"), "columns", SESSION) as name:
        yield name


class Gate(PixelReader):
    """Its first call waits until the gate is opened."""

    def __init__(self) -> None:
        super().__init__()
        self.called, self.opened = threading.Event(), threading.Event()

    def infer(self, images):
        self.called.set()
        self.opened.wait(10)
        return super().infer(images)


def served(session: PixelReader, *, window: float = 1.0, batch: int = 4) -> tuple[Service, dict[int, str]]:
    """A service of one worker that prepares and one that infers, and its answers."""
    answers: dict[int, str] = {}

    def answer(requests: list[int], texts: list[str]) -> None:
        answers.update(zip(requests, texts, strict=True))

    return Service(reader_of(session, batch), 2, window, answer), answers


@pytest.mark.parametrize("window", [0.0, 0.02, float("inf")])
def test_every_request_is_answered_with_its_text(images: list[bytes], window: float) -> None:
    service, answers = served(PixelReader(), window=window)
    with service:
        service.send(enumerate(images, 100))
    assert answers == {99 + index: read_alone(index) for index in range(1, 13)}


def test_a_lone_request_does_not_wait_for_the_window(images: list[bytes]) -> None:
    service, answers = served(PixelReader(), window=60)
    with service:
        service.send([(1, images[0])])
        asked = time.perf_counter()
        while not answers:
            assert time.perf_counter() - asked < 5
            time.sleep(0.001)


def test_words_of_a_width_that_arrive_during_a_call_share_the_next(images: list[bytes]) -> None:
    session = Gate()
    service, answers = served(session)
    with service:
        service.send([(1, images[0])])
        assert session.called.wait(5)
        service.send([(number, png(scribble(200, 40, seed=number))) for number in (2, 3, 4)])
        time.sleep(0.1)  # the free worker prepares them
        session.opened.set()
    assert [shape[0] for shape in session.shapes] == [1, 3]
    assert sorted(answers) == [1, 2, 3, 4]


def test_what_a_session_raises_ends_the_service(images: list[bytes]) -> None:
    session = PixelReader()
    session.infer = lambda _: 1 / 0  # type: ignore[method-assign, assignment, return-value]
    service, _ = served(session)
    with pytest.raises(ZeroDivisionError), service:
        service.send([(1, images[0])])


def test_unreadable_words_are_not_asked_for(tmp_path: Path) -> None:
    with Words(faulty_words(tmp_path / "words.lmdb")) as words:
        assert len(list(readable_images(words, ASPECT, 99))) == 5
        with pytest.raises(UserError, match="none of the first 0 words"):
            list(readable_images(words, ASPECT, 0))


def summary(folder: Path, line: str) -> float:
    """A number of the generator's summary, which is written for people."""
    found = re.search(
        rf"^{re.escape(line)} *: *([\d.]+)", (folder / "mlperf_log_summary.txt").read_text(), re.MULTILINE
    )
    assert found
    return float(found[1])


@pytest.mark.parametrize(
    ("scenario", "rate", "speed"),
    [
        ("SingleStream", None, "QPS w/ loadgen overhead"),
        ("Server", 200.0, "Completed samples per second"),
        ("Offline", None, "Samples per second"),
    ],
)
def test_the_figures_are_those_of_the_generators_summary(
    scenario: str, rate: float | None, speed: str, images: list[bytes], tmp_path: Path
) -> None:
    serve = partial(Service, reader_of(PixelReader(), 4), 2)
    found = Scenario(scenario, rate=rate, seconds=0.5).run(images, serve, tmp_path)
    assert (found["scenario"], found["rate"], found["short"]) == (scenario, rate, True)
    for percentile in (50, 90, 99):
        assert found[f"p{percentile}_ms"] == summary(tmp_path, f"{percentile}.00 percentile latency (ns)") / 1e6
    assert found["words_per_second"] == pytest.approx(summary(tmp_path, speed), abs=0.01)


@pytest.mark.slow
def test_the_highest_rate_is_one_that_keeps_the_limit(images: list[bytes], tmp_path: Path) -> None:
    class Slow(PixelReader):
        def infer(self, images):
            time.sleep(0.005)
            return super().infer(images)

    serve = partial(Service, reader_of(Slow(), 1), 2)
    found = Scenario("Server", p99_ms=40, seconds=0.2).run(images, serve, tmp_path)
    assert found["highest"]
    assert found["p99_ms"] <= 40
    assert 20 < found["rate"] < 200
    assert found["rate"] == pytest.approx(summary(tmp_path, "target_qps"), abs=0.01)


def test_load_words_writes_a_row_per_scenario_and_records_the_summaries(columns: str, tmp_path: Path) -> None:
    scenarios = [{"scenario": "SingleStream", "seconds": 0.2}, {"scenario": "Offline", "seconds": 0.2}]
    (tmp_path / "model.bin").touch()
    Contract(CHARSET).write(tmp_path / "contract.json")
    call(
        "load_words",
        **{"words": healthy_words(tmp_path / "words.lmdb"), "widths": '{"rule": "aspect"}'},
        **{"contract": tmp_path / "contract.json", "model": tmp_path / "model.bin", "runtime": columns, "threads": 2},
        **{"measure": json.dumps(scenarios), "output": tmp_path / "load.json", "record": tmp_path / "record.json"},
    )
    assert [entry["scenario"] for entry in read_json(tmp_path / "load.json")["load"]] == ["SingleStream", "Offline"]
    summaries = read_json(tmp_path / "record.json")["results"]["summaries"]
    assert ["Scenario : SingleStream" in lines for lines in summaries] == [True, False]
