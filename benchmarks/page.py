#!/usr/bin/env python3
"""What the report page weighs and how soon it can be read, in a headless Chromium.

Every load is one of a browser started for it. `first row`: seconds from navigation until a frame with the first row of
the comparison is drawn; `ready`: until the page's script has run and its controls answer; `loaded`: until the load
event; `choice`: from a letter typed into the explorer until the words with it are drawn. Then the page is scrolled
from end to end and its memory taken: the script's heap with garbage collected, and the resident memory of the process
that shows the page. Requests are what the page asked for besides itself.

With --copies, the words of the report are repeated as often, with the readings that it has, and a page is made of them
by the stage that makes reports. Nothing is read by a network again, so what is measured is the page alone.

    snakemake --cores 2 report --configfile benchmarks/page.yaml
    python benchmarks/page.py --report results/report --copies 1 33 --repeats 7 --output benchmarks/results/page.json
"""

import argparse
import json
import os
import re
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow"))

from browser import Browser, browser, resident_mib
from repeated import repeated_report

from crnn.core.command import LOG, Command
from crnn.core.files import read_json, write_json
from crnn.core.record import describe_host
from stage import run

MIB = 2**20
# Runs before anything of the page; what it leaves is read when the page is there.
WATCH = """
new MutationObserver((_, watching) => {
  if (!document.querySelector("#runs tbody tr")) return;
  watching.disconnect();
  requestAnimationFrame(() => setTimeout(() => { globalThis.firstRow = performance.now(); }));
}).observe(document, {childList: true, subtree: true});
"""
# The first row is drawn in a frame of its own, which may come after the load event.
TIMES = """(async () => {
  while (globalThis.firstRow === undefined) await new Promise(requestAnimationFrame);
  const [page] = performance.getEntriesByType("navigation");
  return {"first row": globalThis.firstRow / 1e3, "ready": page.domContentLoadedEventEnd / 1e3,
    "loaded": page.loadEventEnd / 1e3};
})()"""
CHOOSE = """new Promise((resolve) => {
  const field = document.getElementById("explorer").elements.text;
  const started = performance.now();
  field.value = "e";
  field.dispatchEvent(new Event("input", {bubbles: true}));
  requestAnimationFrame(() => setTimeout(() => resolve((performance.now() - started) / 1e3)));
})"""
SCROLL = """(async () => {
  for (let place = 0; place < document.documentElement.scrollHeight; place += innerHeight) {
    scrollTo({top: place, behavior: "instant"});
    await new Promise((resolve) => requestAnimationFrame(resolve));
  }
})()"""


def arguments() -> argparse.ArgumentParser:
    command = Command(__doc__)
    command.add_argument("--report", type=Path, required=True, help="folder of a finished report: results/report")
    command.add_argument(
        "--copies", type=int, nargs="+", default=[1], help="how often its words are repeated, a page each"
    )
    command.add_argument("--repeats", type=int, default=7, help="loads of each page")
    command.add_argument("--output", type=Path, required=True, help="JSON file to write")
    return command


def evaluated(running: Browser, session: str, expression: str) -> Any:
    """The value of an expression on the page, awaited. Raises RuntimeError where it throws."""
    answer = running.call("Runtime.evaluate", session, expression=expression, returnByValue=True, awaitPromise=True)
    if "exceptionDetails" in answer:
        raise RuntimeError(f"{expression}: {answer['exceptionDetails']['text']}")
    return answer["result"].get("value")


def renderer_mib(running: Browser) -> float:
    """Resident memory of the largest renderer: the browser shows one page, and what else there is shows nothing."""
    processes = running.call("SystemInfo.getProcessInfo")["processInfo"]
    return max(resident_mib(process["id"]) for process in processes if process["type"] == "renderer")


def opened(running: Browser) -> str:
    """A session with the browser's page, watched from before its first navigation."""
    (target,) = (each for each in running.call("Target.getTargets")["targetInfos"] if each["type"] == "page")
    session: str = running.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)["sessionId"]
    for domain in ("Page", "Network", "Performance", "HeapProfiler", "Runtime"):
        running.call(f"{domain}.enable", session)
    running.call("Page.addScriptToEvaluateOnNewDocument", session, source=WATCH)
    return session


def asked(running: Browser, page: str) -> list[str]:
    """What a page asked for besides itself and what it holds."""
    sent = (
        each["params"]["request"]["url"] for each in running.events if each["method"] == "Network.requestWillBeSent"
    )
    return [address for address in sent if address != page and not address.startswith("data:")]


def load(page: Path) -> dict[str, Any]:
    """One load of a page in a browser of its own."""
    address = page.resolve().as_uri()
    with browser() as running:
        session = opened(running)
        empty = renderer_mib(running)
        running.call("Page.navigate", session, url=address)
        running.wait_for("Page.loadEventFired")
        seconds = evaluated(running, session, TIMES)
        seconds["choice"] = evaluated(running, session, CHOOSE)
        evaluated(running, session, SCROLL)
        running.call("HeapProfiler.collectGarbage", session)
        metrics = {each["name"]: each["value"] for each in running.call("Performance.getMetrics", session)["metrics"]}
        return {
            "seconds": seconds,
            "heap_mib": metrics["JSHeapUsedSize"] / MIB,
            "renderer_mib": renderer_mib(running),
            "empty_renderer_mib": empty,
            "requests": asked(running, address),
            "browser": running.call("Browser.getVersion")["product"],
        }


def carried(page: Path) -> dict[str, int]:
    """How many misread or changed words there are, how many of them are on the page, and how many with a picture."""
    text = page.read_text(encoding="utf-8")

    def block(name: str) -> Any:
        found = re.search(rf'<script type="application/json" id="{name}">(.*?)</script>', text, re.DOTALL)
        assert found is not None, f"{page}: holds no {name}"
        return json.loads(found[1])

    words, pictures = block("words-data"), block("pictures-data")
    return {
        "listed": sum(each["total"] for each in words),
        "held": sum(len(each["words"]["index"]) for each in words),
        "pictured": sum(bool(picture) for each in pictures for picture in each),
    }


def measured(report: Path, repeats: int) -> dict[str, Any]:
    """A row: what a report's page holds, and every load of it."""
    page, rows = report / "index.html", read_json(report / "report.json")["rows"]
    loads = [load(page) for _ in range(repeats)]
    words = {row["dataset"]: row["samples"] for row in rows}
    return {
        "words": sum(words.values()),
        "deployments": [row["deployment"] for row in rows],
        "page_mib": page.stat().st_size / MIB,
        **carried(page),
        "seconds": {name: [each["seconds"][name] for each in loads] for name in loads[0]["seconds"]},
        **{name: [each[name] for each in loads] for name in ("heap_mib", "renderer_mib", "empty_renderer_mib")},
        "requests": sorted({address for each in loads for address in each["requests"]}),
        "browser": loads[0]["browser"],
    }


def main(args: argparse.Namespace) -> None:
    rows, load_before = [], os.getloadavg()[0]
    for copies in args.copies:
        with tempfile.TemporaryDirectory() as folder:
            report = args.report if copies == 1 else repeated_report(args.report, copies, Path(folder))
            rows.append({"copies": copies, **measured(report, args.repeats)})
        ready = statistics.median(rows[-1]["seconds"]["ready"])
        LOG.info("%d words: %.1f MiB, ready in %.2f s", rows[-1]["words"], rows[-1]["page_mib"], ready)
    facts = {"command": sys.argv, "host": describe_host(), "load_before": load_before}
    write_json(args.output, {**facts, "rows": rows})


if __name__ == "__main__":
    run(main, arguments())
