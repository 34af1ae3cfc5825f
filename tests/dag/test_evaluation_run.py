"""An evaluation folder, from its LMDBs to the means of the report."""

from pathlib import Path

import pytest

from crnn.data.lmdb import Words, write_words
from workspace import Workspace

pytestmark = [pytest.mark.dag, pytest.mark.slow]


def divided(words: Path, folder: Path) -> Path:
    """Three sets of an LMDB's words, one of them deeper, as the field names them."""
    with Words(words) as reader:
        pairs = [(word.image or b"", (word.label or b"").decode()) for word in reader]
    for name, first, last in (("IIIT5k_3000", 0, 5), ("SVT", 5, 9), ("IC13/857", 9, 12)):
        write_words(folder / name, pairs[first:last])
    return folder


def test_every_set_has_its_row_and_the_report_both_means(
    finished: Workspace, workspace: Workspace, tmp_path: Path
) -> None:
    folder = divided(finished.path / "results/datasets/sample/words.lmdb", tmp_path / "evaluation")
    workspace.config["datasets"] = {"sample": None, "three": {"evaluation": f"{folder}/"}}
    workspace.config["deployments"] = {"ort": None, "ort-w100": None, "ort-recipe": None}
    result = workspace.run("report")
    assert result.returncode == 0, result.stdout + result.stderr

    report = workspace.report()
    assert [(row["dataset"], row["samples"]) for row in report["rows"]] == [
        ("IC13_857", 3),
        ("IIIT5k_3000", 5),
        ("SVT", 4),
    ]
    (means,) = report["evaluations"]
    assert (means["evaluation"], means["deployment"], means["samples"]) == ("three", "torch", 12)
    accuracies = [row["accuracy"] for row in report["rows"]]
    assert means["macro"]["labels"]["accuracy"] == pytest.approx(sum(accuracies) / 3)
    assert means["weighted"]["labels"]["accuracy"] == sum(row["correct"] for row in report["rows"]) / 12
    page = (workspace.path / "results/report/index.html").read_text(encoding="utf-8")
    assert "Evaluation: three" in page

    assert workspace.planned() == {}
