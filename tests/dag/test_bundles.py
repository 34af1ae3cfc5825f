"""`snakemake bundles`, in a clone: what it makes, and after which changes it makes it again."""

import subprocess
import sys
from pathlib import Path

import pytest

from checkout import Checkout, new_checkout
from crnn.core.files import read_json

pytestmark = [pytest.mark.dag, pytest.mark.slow]

TEMPLATE = "workflow/crnn/inference/bundled/read.py"
LOADER = "workflow/crnn/runtimes/onnxruntime/bundled.py"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A clone in which the bundles of PyTorch and ONNX Runtime have been made; the recipe's widths have none."""
    clone = new_checkout(tmp_path_factory.mktemp("bundles") / "clone")
    clone.config["datasets"] = {"sample": {"sample": {"words": 4, "seed": 3}}}
    clone.config["deployments"] = {"ort-w100": None}
    result = clone.run("bundles")
    assert result.returncode == 0, result.stdout + result.stderr
    return clone


@pytest.fixture
def clone(made: Checkout, tmp_path: Path) -> Checkout:
    return made.copy(tmp_path / "clone")


def bundles(clone: Checkout) -> list[Path]:
    return sorted((clone.path / "results/bundles/crnn").iterdir())


def test_every_deployment_with_widths_in_buckets_has_one(made: Checkout) -> None:
    assert [path.name for path in bundles(made)] == ["ort", "torch"]


def test_each_reads_its_golden_words_in_another_folder(clone: Checkout) -> None:
    """Without the library, which no path leads to."""
    for bundle in bundles(clone):
        assert len(read_json(bundle / "golden/words.json")) == 64
        command = [sys.executable, "-E", str(bundle / "read.py")]
        done = subprocess.run([*command, "--self-test"], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (0, "every golden word is read as it was\n"), done.stderr


def test_its_scores_are_those_of_the_report(made: Checkout) -> None:
    facts = read_json(made.path / "results/bundles/crnn/ort/recogniser.json")
    run = read_json(made.path / "results/runs/sample/crnn/ort/run.json")
    (score,) = facts["scores"]
    assert score == {key: run[key] for key in score}
    assert (score["dataset"], score["samples"]) == ("sample", 4)


def test_no_text_in_it_names_a_place_of_the_machine(made: Checkout) -> None:
    for bundle in bundles(made):
        for path in (path for path in bundle.rglob("*") if path.suffix in {".py", ".md", ".json"}):
            assert str(made.path) not in path.read_text(), path


def test_nothing_is_left_to_do(made: Checkout) -> None:
    assert made.planned("bundles") == {}


def test_one_is_made_by_its_name(clone: Checkout) -> None:
    for bundle in bundles(clone):
        bundle.rename(clone.path / bundle.name)
    assert clone.planned("results/bundles/crnn/ort") == {"make_bundle": 1}


@pytest.mark.parametrize(("file", "jobs"), [(TEMPLATE, 2), (LOADER, 1)])
def test_another_program_makes_the_bundles_anew_and_nothing_else(file: str, jobs: int, clone: Checkout) -> None:
    before = clone.planned("report")
    clone.append(file, "\nCHANGED = True\n")
    plan = clone.dry_run("bundles")
    assert plan.jobs == {"make_bundle": jobs}
    assert file.removeprefix("workflow/") in plan.text
    assert clone.planned("report") == before
    result = clone.run("bundles")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "CHANGED = True" in (clone.path / "results/bundles/crnn/ort/read.py").read_text()


def test_a_report_needs_no_golden_words(made: Checkout) -> None:
    assert "render_words" not in made.planned("report")
    assert {"make_report", "check_budgets"} <= made.planned("report").keys()
