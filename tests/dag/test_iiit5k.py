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
    pytest.mark.skipif(not IIIT5K, reason="CRNN_IIIT5K_LMDB names no LMDB of the IIIT5K test words"),
]
POLICY = LabelPolicy("0123456789abcdefghijklmnopqrstuvwxyz")
# Word accuracy of this checkpoint measured with other code where it was trained (see its model card).
STATED = 0.761


def test_every_stage_reads_every_real_word_alike_and_as_well_as_stated(tmp_path: Path) -> None:
    only = {"torch": None, "ort-w100": None, "ort-recipe": None}
    space = Workspace(tmp_path, {"datasets": {"sample": None, "iiit5k": {"lmdb": IIIT5K}}, "deployments": only})
    files = [f"results/predictions/iiit5k/crnn/aspect/{name}/1.parquet" for name in ("torch", "raw", "fixed", "ort")]
    result = space.run(*files)
    assert result.returncode == 0, result.stdout + result.stderr

    samples = space.readings("datasets/iiit5k/tensors/aspect/1/samples.parquet")
    read = [pl.read_parquet(tmp_path / file) for file in files]
    assert all(each["text"].to_list() == read[0]["text"].to_list() for each in read)
    surgery = json.loads((tmp_path / files[2]).with_suffix(".json").read_text())["results"]
    assert surgery["max_abs_difference"] <= 1e-5

    row = score(judge(samples, read[-1], POLICY))
    assert row["samples"] == 3000
    assert row["accuracy"] == pytest.approx(STATED, abs=0.003)
