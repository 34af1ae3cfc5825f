"""A headless Chromium that is asked and told by the DevTools protocol over a pipe; needs nothing but the browser."""

import fcntl
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--window-size=1280,900"),
    # A second renderer that waits for a page which never comes would be taken for the first.
    "--disable-features=SpareRendererForSitePerProcess",
)
PATIENCE = 120.0  # seconds for an answer; a page of 20 MiB takes a second or two
HIGH = 10  # the browser reads from descriptor 3 and writes to 4, so the pipe's own ends keep out of the way


def find_browser() -> str:
    """Path of the browser. Raises RuntimeError where there is none."""
    for name in NAMES:
        if found := shutil.which(name):
            return found
    raise RuntimeError(f"none of {', '.join(NAMES)} is on this machine; apt-get install chromium")


class Browser:
    """One running browser. `call` sends a command and returns its result; `events` holds what came unasked."""

    def __init__(self, process: subprocess.Popen[bytes], asking: int, answering: int) -> None:
        self.process, self.events = process, list[dict[str, Any]]()
        self._asking, self._answering = asking, answering
        self._number, self._rest = 0, b""

    def call(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """Raises RuntimeError where the browser refuses, TimeoutError where it says nothing."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self._asking, json.dumps(message).encode() + b"\0")
        while (answer := self._next(time.monotonic() + PATIENCE)).get("id") != self._number:
            self.events.append(answer)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        result: dict[str, Any] = answer["result"]
        return result

    def wait_for(self, method: str) -> None:
        """Return once the event `method` has come."""
        deadline = time.monotonic() + PATIENCE
        while all(event["method"] != method for event in self.events):
            self.events.append(self._next(deadline))

    def _next(self, deadline: float) -> dict[str, Any]:
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._answering], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                raise TimeoutError(f"the browser said nothing for {PATIENCE:.0f} s")
            got = os.read(self._answering, 1 << 20)
            if not got:
                raise RuntimeError(f"the browser ended with status {self.process.wait()}")
            self._rest += got
        message, _, self._rest = self._rest.partition(b"\0")
        parsed: dict[str, Any] = json.loads(message)
        return parsed


@contextmanager
def browser() -> Iterator[Browser]:
    """A browser with a profile of its own, so that nothing is cached; both are gone afterwards."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, HIGH) for pipe in (os.pipe(), os.pipe()) for end in _once(pipe)]
        reads, asking, answering, writes = ends
        command = [find_browser(), *FLAGS, "--remote-debugging-pipe", f"--user-data-dir={profile}", "about:blank"]
        process = subprocess.Popen(
            ["bash", "-c", f'exec "$@" 3<&{reads} 4>&{writes} {reads}<&- {writes}>&-', "bash", *command],
            pass_fds=(reads, writes),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(reads)
        os.close(writes)
        running = Browser(process, asking, answering)
        try:
            yield running
            running.call("Browser.close")
            process.wait(timeout=PATIENCE)
        finally:
            process.kill()
            process.wait()
            os.close(asking)
            os.close(answering)


def _once(pipe: tuple[int, int]) -> Iterator[int]:
    """The ends of a pipe, each closed when the next is asked for: what was duplicated is kept instead."""
    for end in pipe:
        yield end
        os.close(end)


def resident_mib(process: int) -> float:
    """Resident memory of a process by its number, MiB, as Linux counts it: shared libraries in full."""
    status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    (kib,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(kib) / 1024
