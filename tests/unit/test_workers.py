"""Worker processes: order, few results ahead, and what happens when the process that asks is killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path

import pytest

from crnn.core.workers import AHEAD, WorkerProcesses

WORKFLOW = Path(__file__).parents[2] / "workflow"


def slowest_first(number: int) -> tuple[int, int]:
    time.sleep(0.05 if number % 2 == 0 else 0)
    return number, os.getpid()


def refuse(number: int) -> int:
    raise ValueError(f"not {number}")


@pytest.mark.parametrize("processes", [0, 2])
def test_results_come_in_the_order_of_the_chunks(processes: int) -> None:
    with WorkerProcesses(slowest_first, processes) as workers:
        results = list(workers.map(range(8)))
    assert [number for number, _ in results] == list(range(8))
    assert (os.getpid() in {pid for _, pid in results}) == (processes == 0)


def test_chunks_without_end_are_taken_a_few_at_a_time() -> None:
    taken: list[int] = []

    def chunks() -> Iterator[int]:
        for number in count():
            taken.append(number)
            yield number

    with WorkerProcesses(slowest_first, 1) as workers:
        list(islice(workers.map(chunks()), 3))
    assert len(taken) <= 3 + AHEAD


def test_an_error_in_a_worker_reaches_the_one_who_asked() -> None:
    with WorkerProcesses(refuse, 1) as workers, pytest.raises(ValueError, match="not 0"):
        list(workers.map(range(3)))


def test_workers_of_a_killed_process_end(tmp_path: Path) -> None:
    """Without this a training that was killed leaves half a gigabyte of renderer behind."""
    script = tmp_path / "asks.py"
    script.write_text(
        "import os, time\n"
        "from crnn.core.workers import WorkerProcesses\n"
        "def pid(number): return os.getpid()\n"
        "if __name__ == '__main__':\n"
        "    with WorkerProcesses(pid, 1) as workers:\n"
        "        print(next(workers.map(range(9))), flush=True)\n"
        "        time.sleep(60)\n"
    )
    asking = subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # Python's own resource tracker says there that it clears up after the killed one
        text=True,
        env=os.environ | {"PYTHONPATH": str(WORKFLOW)},
    )
    assert asking.stdout is not None
    worker = int(asking.stdout.readline())
    os.kill(worker, 0)
    asking.send_signal(signal.SIGKILL)
    asking.wait()
    asking.stdout.close()
    deadline = time.monotonic() + 20
    while _alive(worker):
        assert time.monotonic() < deadline, "the worker outlived the process that asked"
        time.sleep(0.05)


def _alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
