"""The shipped checkpoint on the 3000 real test words. Needs an LMDB of them: CRNN_IIIT5K_LMDB=path pytest …"""

import json
import os
from pathlib import Path

import polars as pl
import pytest

from crnn.data.labels import LabelPolicy
from crnn.score.accuracy import judge, score
from workspace import Workspace

IIIT5K = os.environ.get("CRNN_IIIT5K_LMDB", "")
pytestmark = [
    pytest.mark.dag,
    pytest.mark.xdist_group("dag"),
    pytest.mark.skipif(not IIIT5K, reason="CRNN_IIIT5K_LMDB names no LMDB of the IIIT5K test words"),
]
POLICY = LabelPolicy("0123456789abcdefghijklmnopqrstuvwxyz")
# Word accuracy of this checkpoint measured with other code where it was trained (see its model card).
STATED = 0.761


def test_every_stage_reads_every_real_word_alike_and_as_well_as_stated(tmp_path: Path) -> None:
    only = {"torch": None, "ort-w100": None, "ort-recipe": None}
    space = Workspace(tmp_path, {"datasets": {"sample": None, "iiit5k": {"lmdb": IIIT5K}}, "deployments": only})
    targets = [
        "results/references/iiit5k/crnn/aspect/torch.parquet",
        "results/references/iiit5k/crnn/aspect/proof.json",
        "results/runs/iiit5k/crnn/ort/predictions.parquet",
    ]
    result = space.run(*targets)
    assert result.returncode == 0, result.stdout + result.stderr

    results = tmp_path / "results"
    samples = pl.read_parquet(results / "datasets/iiit5k/tensors/aspect/samples.parquet")
    references = results / "references/iiit5k/crnn/aspect"
    runs = [pl.read_parquet(references / f"{stage}.parquet") for stage in ("torch", "raw", "fixed")]
    runs.append(pl.read_parquet(results / "runs/iiit5k/crnn/ort/predictions.parquet"))
    assert all(run["text"].to_list() == runs[0]["text"].to_list() for run in runs)
    assert json.loads((references / "proof.json").read_text())["max_abs_difference"] <= 1e-5

    row = score(judge(samples, runs[-1], POLICY))
    assert row["samples"] == 3000
    assert row["accuracy"] == pytest.approx(STATED, abs=0.003)
