"""Requests as MLPerf's load generator sends them, to a deployment that reads them from bytes to text.

The generator decides when a request comes, keeps the time and judges; every figure here is of its log. A scenario is
SingleStream (a request when the last one is answered), Server (Poisson arrivals at a rate; without one, the generator
looks for the highest that keeps the 99th percentile) or Offline (all requests at once).
"""

import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from crnn.core.errors import UserError
from crnn.inference.service import Answer, Service
from crnn.inference.timings import PERCENTILES

MLPERF_SECONDS = 600  # of a run by MLPerf's rules; a shorter one is marked
# The generator's words per second, whichever a scenario has.
SPEEDS = ("result_completed_samples_per_sec", "result_samples_per_second", "result_qps_with_loadgen_overhead")
WARMUP = 200  # words

Serve = Callable[[float, Answer], Service]  # a service of this window that answers so


@dataclass(frozen=True)
class Scenario:
    """One entry of `measure.load`. window_ms: most that a call waits for its batch; Offline waits for all."""

    scenario: str
    rate: float | None = None
    p99_ms: float = 100.0
    window_ms: float = 0.0
    seconds: float = 10.0

    def run(self, images: list[bytes], serve: Serve, folder: Path) -> dict[str, Any]:
        """Ask for the images, with the generator's logs in `folder`; what these say, as an entry of a row's `load`."""
        generator, capacity = load_generator(), _capacity(images[:WARMUP], serve)
        logs = generator.LogSettings()
        logs.enable_trace, logs.log_output.outdir = False, str(folder)

        def answer(requests: list[int], _texts: list[str]) -> None:
            generator.QuerySamplesComplete([generator.QuerySampleResponse(each, 0, 0) for each in requests])

        with serve(float("inf") if self.scenario == "Offline" else self.window_ms / 1000, answer) as service:
            asked = generator.ConstructSUT(
                lambda queries: service.send((each.id, images[each.index]) for each in queries), lambda: None
            )
            library = generator.ConstructQSL(len(images), len(images), lambda _: None, lambda _: None)
            generator.StartTestWithLogSettings(asked, library, self._settings(generator, capacity), logs, "")
            generator.DestroyQSL(library)
            generator.DestroySUT(asked)
        limit = {"p99_limit_ms": self.p99_ms if self.scenario == "Server" else None}
        marks = {"highest": self._seeks, "short": self.seconds < MLPERF_SECONDS}
        return {"scenario": self.scenario, **figures(folder / "mlperf_log_detail.txt"), **limit, **marks}

    @property
    def _seeks(self) -> bool:
        """Whether the highest rate is looked for."""
        return self.scenario == "Server" and self.rate is None

    def _settings(self, generator: ModuleType, capacity: float) -> Any:
        """The generator's settings. capacity: words per second of the deployment, roughly."""
        settings = generator.TestSettings()
        settings.scenario = getattr(generator.TestScenario, self.scenario)
        settings.mode = getattr(generator.TestMode, "FindPeakPerformance" if self._seeks else "PerformanceOnly")
        settings.min_duration_ms = int(self.seconds * 1000)
        settings.single_stream_expected_latency_ns = int(1e9 / capacity / 8)  # it makes requests in advance
        settings.offline_expected_qps = capacity
        settings.server_target_latency_ns = int(self.p99_ms * 1e6)
        settings.server_target_qps = self.rate or capacity / 10
        settings.server_find_peak_qps_decimals_of_precision = 0
        return settings


def load_generator() -> ModuleType:
    """Raises UserError where it is not installed."""
    try:
        import mlperf_loadgen
    except ImportError as error:
        raise UserError(
            f"measure.load needs MLPerf's load generator ({error}); install mlcommons_loadgen into this environment "
            f"(for Linux there are wheels for x86-64 alone; elsewhere pip compiles it)"
        ) from error
    return mlperf_loadgen  # type: ignore[no-any-return]


def _capacity(images: list[bytes], serve: Serve) -> float:
    """Words per second of reading some at once: warms up, and tells the generator how many requests to make."""
    started = time.perf_counter()
    with serve(float("inf"), lambda *_: None) as service:
        service.send(enumerate(images))
    return len(images) / (time.perf_counter() - started)


def figures(log: Path) -> dict[str, Any]:
    """What the generator's detailed log says of a run: rate (of Server), percentiles, words per second, its verdict."""
    text = log.read_text()
    lines = (line.partition(" ")[2] for line in text.splitlines() if line.startswith(":::MLLOG"))
    said = {entry["key"]: entry["value"] for entry in map(json.loads, lines)}
    found = re.search(r"Found peak performance field: ([\d.]+)", text)
    rate = said["effective_target_qps"] if said["effective_scenario"] == "Server" else None
    return {
        "rate": float(found[1]) if found else rate,
        **{f"p{p}_ms": said[f"result_{p:.2f}_percentile_latency_ns"] / 1e6 for p in PERCENTILES},
        "words_per_second": next(said[key] for key in SPEEDS if key in said),
        "requests": said["result_query_count"],
        "kept": said.get("result_perf_constraints_met"),
    }
