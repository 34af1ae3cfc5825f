"""Results as the stages leave them, for testing the report: a few words, real files, real scoring, made-up readings.

No network runs here: what a deployment read is given by the test. Everything that follows from it (samples, scores,
audit, timings) is computed by the modules that compute it in the workflow.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import polars as pl

from crnn.core.record import Record, describe_host
from crnn.data.labels import LabelPolicy
from crnn.data.lmdb import write_words
from crnn.data.preprocess import Preprocess
from crnn.data.tensors import make_tensors
from crnn.report.inputs import Inputs, Run
from crnn.score.accuracy import by_protocol, judge, score
from crnn.score.audit import audit
from crnn.score.confidence import confidence
from stage_calls import call

PUBLISHED = Path(__file__).parents[1] / "resources" / "published.json"
ALPHANUMERIC = LabelPolicy("0123456789abcdefghijklmnopqrstuvwxyz")
# A policy that leaves texts alone: hostile ones reach the page whole.
EVERYTHING = LabelPolicy("".join(map(chr, [*range(0x20, 0x7F), *range(0x600, 0x700), 0x202E])), "keep", "nfc")


# How the end-to-end seconds of a made-up pass divide.
SHARES = {
    **{"read": 0.02, "decode": 0.1, "resize": 0.08, "collate": 0.03, "transfer_in": 0.0},
    **{"execute": 0.6, "transfer_out": 0.0, "ctc": 0.14, "other": 0.03},
}


def picture(text: str, height: int = 40) -> bytes:
    """A PNG of `text` in OpenCV's own strokes on a tinted ground."""
    shown = text.encode("ascii", "replace").decode()[:20] or " "
    (width, _), _ = cv2.getTextSize(shown, cv2.FONT_HERSHEY_DUPLEX, 1.0, 2)
    image = np.full((height, width + 16, 3), (214, 222, 231), np.uint8)
    cv2.putText(image, shown, (8, height - 11), cv2.FONT_HERSHEY_DUPLEX, 1.0, (72, 52, 30), 2, cv2.LINE_AA)
    return cv2.imencode(".png", image)[1].tobytes()


@dataclass
class Results:
    """A results folder with one dataset. Add runs, then ask for `inputs`: what the rule passes to the report."""

    directory: Path
    words: Sequence[tuple[bytes, str]]
    policy: LabelPolicy = ALPHANUMERIC
    dataset: str = "signs"
    runs: list[dict[str, Any]] = field(default_factory=list)
    records: list[str] = field(default_factory=list)
    budgets: dict[str, float] = field(default_factory=lambda: {"flipped": 0.5})

    def __post_init__(self) -> None:
        base = self.directory / "datasets" / self.dataset
        self.lmdb, self.tensors = base / "words.lmdb", base / "tensors" / "aspect"
        record = Record("import_lmdb", [], {}, ("lmdb",), base / "words.json")
        write_words(self.lmdb, self.words)
        record.finish([self.lmdb / "data.mdb"])
        preprocess = Preprocess.from_settings({"rule": "aspect"})
        self.samples = make_tensors(self.lmdb, self.tensors, preprocess, self.policy)
        self.records.append(str(base / "words.json"))

    def _judged(self, readings: Mapping[int, str]) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Predictions that read every decodable word right, save those in `readings`."""
        rows = [
            (index, None, None)
            if row is None
            else (index, readings.get(index, text), 0.999 - 0.9 * (index * 37 % 100) / 100)
            for index, text, row in self.samples.select("index", "text", "row").iter_rows()
        ]
        schema = {"index": pl.Int64, "text": pl.String, "confidence": pl.Float64}
        predictions = pl.DataFrame(rows, schema=schema, orient="row")
        return predictions, judge(self.samples, predictions, self.policy)

    def _timings(self, pace: float) -> tuple[pl.DataFrame, dict[str, Any]]:
        """Three passes of infer-only calls that take `pace` seconds at W = 96, and the summary of a run.json."""
        widths = self.samples.filter(pl.col("row").is_not_null())["tensor_width"].to_list()
        rows = [("cold", 0, 1, 96, 30 * pace, True)]
        for number in (1, 2, 3):
            rows += [("infer_only", number, 1, w, pace * (0.4 + w / 160) * (1 + number / 50), False) for w in widths]
        rows += [("e2e", 2, 2, w, pace * (0.6 + w / 120), False) for w in sorted(set(widths))]
        names = ["phase", "pass", "batch", "width", "seconds", "cold"]
        one_pass = sum(seconds for phase, number, *_, seconds, _ in rows if (phase, number) == ("infer_only", 2))
        calls = sorted(seconds for phase, *_, seconds, _ in rows if phase == "infer_only")
        spread = [one_pass * 0.97, one_pass * 1.06]
        summary = {
            "e2e": {
                **{"seconds": one_pass, "images_per_second": len(widths) / one_pass, "words": len(widths)},
                **{"passes": 3, "spread": spread, "breakdown": {step: s * one_pass for step, s in SHARES.items()}},
            },
            "infer_only": {"seconds": one_pass * 1.4, "batch": 1, "words": len(widths), "spread": spread},
            "cold_seconds": 30 * pace,
            "latency_ms": {f"p{p}": calls[len(calls) * p // 100] * 1000 for p in (50, 90, 99)},
        }
        network = pl.when(pl.col("phase") == "e2e").then(pl.col("seconds") * SHARES["execute"])
        return pl.DataFrame(rows, schema=names, orient="row").with_columns(execute=network), summary

    def add_run(
        self,
        deployment: str,
        readings: Mapping[int, str],
        *,
        before: Mapping[str, Mapping[int, str]] | None = None,
        surgery: Mapping[str, Any] | None = None,
        timed: bool = True,
        pace: float = 0.002,
        **facts: Any,
    ) -> Path:
        """Write one run. `readings` and those of the stages `before` it map LMDB indices to what was misread."""
        predictions, judged = self._judged(readings)
        timings, summary = self._timings(pace)
        folder = self.directory / "runs" / self.dataset / "small" / deployment
        folder.mkdir(parents=True)
        path = [(name, self._judged(earlier)[1]) for name, earlier in (before or {"torch": {}}).items()]
        audited, flips = audit([*path, (deployment, judged)], surgery)
        row = {
            **{"dataset": self.dataset, "model": "small", "deployment": deployment, "widths": "aspect"},
            **{"runtime": "onnxruntime", "source": "fixed", "precision": "fp32", "device": "cpu", "simulated": False},
            **score(judged),
            "confidence": confidence(judged),
            **dict.fromkeys(("memory_mib", "first_answer", "load")),
            "protocols": by_protocol(self.samples, predictions),
            **(summary if timed else dict.fromkeys(summary)),
            "batching": {"sizes": [1, 2, 3, 5, 16], "words": judged.height, "changed": 0},
            "repeat_texts": {"e2e_changed": 0, "infer_only_changed": 0},
            "host": describe_host(),
            **facts,
        }
        (folder / "run.json").write_text(json.dumps(row), encoding="utf-8")
        (folder / "audit.json").write_text(json.dumps(audited), encoding="utf-8")
        for name, table in (
            ("audit", flips),
            ("predictions", predictions),
            ("timings", timings if timed else timings.clear()),
        ):
            table.write_parquet(folder / f"{name}.parquet")
        self.runs.append(
            {
                **{"dataset": self.dataset, "model": "small", "deployment": deployment},
                **{name: str(folder / f"{name}.json") for name in ("run", "audit")},
                "predictions": [str(folder / "predictions.parquet")],
                "timings": str(folder / "timings.parquet"),
                "flips": str(folder / "audit.parquet"),
                "samples": [str(self.tensors / "samples.parquet")],
                "words": str(self.lmdb),
            }
        )
        return folder

    def read(self) -> list[Run]:
        """The runs as the report reads them."""
        return [Run.read(files) for files in Inputs.from_json(self.inputs).runs]

    def report(self, **more: Any) -> Path:
        """The folder of the report over these results, which its stage makes."""
        folder = self.directory / "report"
        inputs = json.dumps({**self.inputs, **more})
        call("make_report", inputs=inputs, published=PUBLISHED, output_dir=folder, record=folder / "record.json")
        return folder

    @property
    def inputs(self) -> dict[str, Any]:
        return {"title": "Signs", "runs": self.runs, "records": self.records, "budgets": self.budgets}
