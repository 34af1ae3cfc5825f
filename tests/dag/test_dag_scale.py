"""The benchmark of planning counts what it plans."""

import subprocess
import sys

import pytest

from workspace import ROOT

pytestmark = [pytest.mark.dag, pytest.mark.slow]


def test_a_row_says_how_many_jobs_were_planned_and_what_that_and_finding_nothing_to_do_took() -> None:
    command = [sys.executable, str(ROOT / "benchmarks/dag_scale.py"), "--datasets", "2", "--deployments", "4"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    datasets, jobs, *took = done.stdout.splitlines()[-1].strip("| ").split(" | ")
    # 3 of the model, 4 builds; of each dataset words, 3 tensors, raw and fixed thrice, the reference twice (once it is
    # a deployment), 4 runs of 5 jobs; the report.
    assert (datasets, int(jobs)) == ("2", 3 + 4 + 2 * (1 + 3 + 3 + 2 + 4 * 5) + 3)
    assert len(took) == 6
    assert all(float(figure) > 0 for figure in took)
