"""The stages of a plan, each called as its rule calls it: costs, the plan within its budget, its picture."""

import json
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from crnn.core.errors import UserError
from crnn.core.files import read_json
from examples import CHARACTERS, CONTRACT, SIZES, png, put_words, read_alone, scribble
from stage_calls import added_runtime, call

# Reads pixels with no network; a call costs half a millisecond and something for every pixel.
SESSION = """
import time

from examples import PixelReader


class Device(PixelReader):
    def infer(self, images):
        time.sleep(5e-4 + images.size * 1e-7)
        return super().infer(images)


def load(model, options, threads, calls=1):
    return Device()
"""
LABELS = json.dumps({"characters": CHARACTERS})
BOUNDS = {"stretch": 1.2, "step": 8, "min": 40, "max": 400, "buckets": 6, "distortion": 0.4, "batch": 4}


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with added_runtime(tmp_path_factory.mktemp("runtimes"), "sleeper", SESSION) as name:
        yield name


@pytest.fixture(scope="module")
def made(device: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Words that the device reads right at the widths of the aspect rule, their tensors, and costs of calls."""
    root = tmp_path_factory.mktemp("plans")
    images = {i: png(scribble(*size, seed=i)) for i, size in enumerate(SIZES, 1)}
    words = put_words(root / "words.lmdb", len(images), images, {i: read_alone(i).encode() for i in images})
    widths = '{"rule": "aspect"}'
    call("make_tensors", words=words, widths=widths, labels=LABELS, output=root / "t", record=root / "tensors.json")
    (root / "build").mkdir()
    (root / "build" / "model.bin").touch()
    CONTRACT.write(root / "model.json")
    grid = json.dumps({"widths": [40, 200, 400], "batches": [1, 4], "repeats": 3})
    output = {"contract": root / "model.json", "output": root / "costs.parquet", "record": root / "costs.json"}
    call("measure_costs", model=root / "build/model.bin", runtime=device, grid=grid, **output)
    return root


def plan(made: Path, **bounds: Any) -> Any:
    given = {"samples": made / "t/samples.parquet", "costs": made / "costs.parquet", "words": made / "words.lmdb"}
    model = {"model": made / "build/model.bin", "runtime": "sleeper", "contract": made / "model.json", "labels": LABELS}
    output = {"output": made / "plan.json", "record": made / "record.json"}
    call("plan_buckets", **given, **model, bounds=json.dumps(BOUNDS | bounds), **output)
    return read_json(made / "plan.json")


def test_costs_are_measured_over_the_grid(made: Path) -> None:
    costs = pl.read_parquet(made / "costs.parquet")
    assert costs.height == 6
    assert costs.filter(width=400, batch=4)["seconds"][0] > costs.filter(width=40, batch=1)["seconds"][0] > 0
    assert read_json(made / "costs.json")["results"]["runtime"]["simulated"] is True


def test_with_accuracy_to_spare_the_cheapest_candidate_is_the_plan(made: Path) -> None:
    content = plan(made, accuracy_drop=2.0)
    assert content["tuning"] == {"words": 12, "finest_correct": 12}
    assert content["seconds"]["planned"] == min(each["seconds"] for each in content["candidates"])
    assert len(content["buckets"]) <= 6
    assert sum(bucket["words"] for bucket in content["buckets"]) == 12
    assert read_json(made / "record.json")["outputs"].keys() == {str(made / "plan.json")}


def test_a_plan_that_loses_words_is_refused_by_its_budget(made: Path) -> None:
    """At another width the device reads another text, so every plan of few widths loses words."""
    with pytest.raises(
        UserError, match=r"no plan surely loses less than 0\.00% of the 12 tuning words; the best loses"
    ):
        plan(made, accuracy_drop=0.0, buckets=3)


def test_the_way_of_resizing_stays_with_the_rule(made: Path) -> None:
    given = {"samples": made / "t/samples.parquet", "costs": made / "costs.parquet", "words": made / "words.lmdb"}
    model = {"model": made / "build/model.bin", "runtime": "sleeper", "contract": made / "model.json", "labels": LABELS}
    bounds = json.dumps(BOUNDS | {"accuracy_drop": 2.0})
    output = {"output": made / "cubic.json", "record": made / "cubic.record.json"}
    call("plan_buckets", **given, **model, bounds=bounds, pixels='{"interpolation": "opencv-cubic"}', **output)
    assert read_json(made / "cubic.json")["rule"]["interpolation"] == "opencv-cubic"


def test_the_picture_names_every_bucket_and_the_candidates(made: Path) -> None:
    content = plan(made, accuracy_drop=2.0)
    call("plot_plan", plan=made / "plan.json", costs=made / "costs.parquet", output=made / "plan.svg")
    svg = ET.parse(made / "plan.svg").getroot()
    texts = {"".join(element.itertext()) for element in svg.iter("{http://www.w3.org/2000/svg}text")}
    assert {f"{bucket['width']}×{bucket['batch']}" for bucket in content["buckets"]} <= texts
    assert {"words", "ms per word", "accuracy (%)", "the plan"} <= texts
    assert sum("12 tuning words" in text for text in texts) == 2  # their chances, and the candidates on them
