"""Requests as MLPerf's load generator sends them, to a deployment that reads them from bytes to text.

The generator decides when a request comes, keeps the time and judges; every figure here is of its log. A scenario is
SingleStream (a request when the last one is answered), Server (Poisson arrivals at a rate; without one, the generator
looks for the highest that keeps the 99th percentile) or Offline (all requests at once).

Not here: how requests are read (`crnn.inference.service`).
"""

import json
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from crnn.core.errors import UserError
from crnn.data.buckets import BatchOf
from crnn.data.lmdb import Words
from crnn.data.preprocess import Preprocess
from crnn.inference.service import Service
from crnn.inference.timings import PERCENTILES
from crnn.model.charset import Charset
from crnn.runtimes.runtime import Session

MLPERF_SECONDS = 600  # of a run by MLPerf's rules; a shorter one is marked
# The generator's figure for words per second, whichever a scenario has.
RATES = ("result_completed_samples_per_sec", "result_samples_per_second", "result_qps_with_loadgen_overhead")
WARMUP = 200  # words


@dataclass(frozen=True)
class Scenario:
    """One entry of `measure.load`. window_ms: as a `Service` takes it; Offline has no use for one."""

    scenario: str
    rate: float | None = None
    p99_ms: float = 100.0
    window_ms: float = 20.0
    seconds: float = 10.0

    @property
    def window(self) -> float:
        """Seconds."""
        return float("inf") if self.scenario == "Offline" else self.window_ms / 1000

    @property
    def finds_rate(self) -> bool:
        """Whether the highest rate is looked for."""
        return self.scenario == "Server" and self.rate is None

    def settings(self, generator: ModuleType, capacity: float) -> Any:
        """The generator's settings. capacity: words per second of the deployment, roughly."""
        settings = generator.TestSettings()
        settings.scenario = getattr(generator.TestScenario, self.scenario)
        settings.mode = generator.TestMode.PerformanceOnly
        settings.min_duration_ms = int(self.seconds * 1000)
        settings.single_stream_expected_latency_ns = int(1e9 / capacity / 8)  # it makes requests in advance
        settings.offline_expected_qps = capacity
        settings.server_target_latency_ns = int(self.p99_ms * 1e6)
        settings.server_target_qps = self.rate or capacity / 10
        if self.finds_rate:
            settings.mode = generator.TestMode.FindPeakPerformance
            settings.server_find_peak_qps_decimals_of_precision = 0
        return settings


def load_generator() -> ModuleType:
    """Raises UserError where it is not installed."""
    try:
        import mlperf_loadgen
    except ImportError as error:
        raise UserError(
            f"measure.load needs MLPerf's load generator ({error}); install mlcommons_loadgen into this environment "
            f"(on Linux there are wheels for x86-64 alone; elsewhere pip compiles it)"
        ) from error
    return mlperf_loadgen  # type: ignore[no-any-return]


@dataclass(frozen=True)
class LoadTest:
    """A deployment, and the words that are asked of it: those of an LMDB that can be read, in memory."""

    images: list[bytes]
    preprocess: Preprocess
    session: Session
    charset: Charset
    batch_of: BatchOf
    workers: int

    def run(self, scenario: Scenario, folder: Path) -> dict[str, Any]:
        """Run a scenario with the generator's logs in `folder`; what they say, as an entry of a row's `load`."""
        generator = load_generator()
        settings = scenario.settings(generator, self._capacity())
        folder.mkdir(parents=True, exist_ok=True)
        logs = generator.LogSettings()
        logs.enable_trace = False
        logs.log_output.outdir = str(folder)

        def answer(requests: list[int], _texts: list[str]) -> None:
            generator.QuerySamplesComplete([generator.QuerySampleResponse(each, 0, 0) for each in requests])

        with self._service(scenario.window, answer) as service, _ends(generator, service, self.images) as (sut, qsl):
            generator.StartTestWithLogSettings(sut, qsl, settings, logs, "")
        return {
            "scenario": scenario.scenario,
            **figures(folder / "mlperf_log_detail.txt"),
            "p99_limit_ms": scenario.p99_ms if scenario.scenario == "Server" else None,
            "highest": scenario.finds_rate,
            "short": scenario.seconds < MLPERF_SECONDS,
        }

    def _service(self, window: float, answer: Any) -> Service:
        return Service(self.preprocess, self.session, self.charset, self.batch_of, self.workers, window, answer)

    def _capacity(self) -> float:
        """Words per second of reading some at once: warms up, and lets the generator make requests enough."""
        started, words = time.perf_counter(), self.images[:WARMUP]
        with self._service(float("inf"), lambda *_: None) as service:
            service.send(enumerate(words))
        return len(words) / (time.perf_counter() - started)


@contextmanager
def _ends(generator: ModuleType, service: Service, images: list[bytes]) -> Iterator[tuple[Any, Any]]:
    """The two ends that the generator knows: what it asks, and what it asks for."""
    sut = generator.ConstructSUT(lambda asked: service.send((each.id, images[each.index]) for each in asked), _nothing)
    qsl = generator.ConstructQSL(len(images), len(images), _nothing, _nothing)
    try:
        yield sut, qsl
    finally:
        generator.DestroyQSL(qsl)
        generator.DestroySUT(sut)


def _nothing(*_: Any) -> None:
    """Words are in memory already, and a service flushes by itself."""


def figures(log: Path) -> dict[str, Any]:
    """What the generator's detailed log says of a run: rate (of Server), percentiles, words per second, its verdict."""
    text = log.read_text()
    lines = (line.partition(" ")[2] for line in text.splitlines() if line.startswith(":::MLLOG"))
    said = {entry["key"]: entry["value"] for entry in map(json.loads, lines)}
    server = said["effective_scenario"] == "Server"
    found = re.search(r"Found peak performance field: ([\d.]+)", text)
    return {
        "rate": float(found[1]) if found else said["effective_target_qps"] if server else None,
        **{f"p{p}_ms": said[f"result_{p:.2f}_percentile_latency_ns"] / 1e6 for p in PERCENTILES},
        "words_per_second": next(said[key] for key in RATES if key in said),
        "requests": said["result_query_count"],
        "kept": said.get("result_perf_constraints_met"),
    }


def readable_images(words: Words, preprocess: Preprocess, limit: int) -> list[bytes]:
    """The encoded images of the first `limit` words that can be read. Raises UserError where none can."""
    images = (words.image(index) for index in range(1, min(len(words), limit) + 1))
    found = [image for image in images if image and preprocess.decode(image) is not None]
    if not found:
        raise UserError(f"{words.directory}: none of the first {limit} words has a readable image")
    return found


def run_all(test: LoadTest, scenarios: Iterable[Scenario], folder: Path) -> list[dict[str, Any]]:
    """Run scenarios one after the other, each with its logs in a folder of its own."""
    return [test.run(each, folder / f"{number}-{each.scenario}") for number, each in enumerate(scenarios, 1)]
