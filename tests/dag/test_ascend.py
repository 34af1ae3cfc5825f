"""The Ascend lane from words to report, over the doubles of tests/contract: what it makes, refuses and survives."""

import json
import stat
from copy import deepcopy
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from contract.toolkit import PACKAGES, PACKAGES_2023, Toolkit, import_path, install
from device_rows import (
    check_copied_results_are_reported,
    check_only_doubles_are_marked,
    check_texts_are_onnxruntimes,
    check_transfers_are_steps,
    read_by,
)
from workspace import ROOT, Workspace, small_config

pytestmark = pytest.mark.dag

OVERLAY = yaml.safe_load((ROOT / "config/ascend-310p3.yaml").read_text())["deployments"]
LIKE_OTHERS = ("om-static-4", "om-static-8", "om-static-32")  # but for a number; tests/contract runs every row
ONE_OF_A_KIND = ("om-range", "om-gears", "om-static-16")
RUN = "results/runs/sample/crnn/om-range"
READ = "results/predictions/sample/crnn/aspect"


def ascend_config(checkpoint: Path, toolkit: Toolkit, *names: str) -> dict[str, Any]:
    """The small run with the named deployments of the shipped overlay, and the toolkit of the test."""
    config = small_config(checkpoint)
    config["deployments"] = {"torch": None, "ort-w100": None, "ort-recipe": None}
    for name in names:
        options = {**OVERLAY[name]["options"], "set_env": str(toolkit.set_env)}
        config["deployments"][name] = {**OVERLAY[name], "options": options}
    return config


@pytest.fixture(scope="session")
def cann(tmp_path_factory: pytest.TempPathFactory) -> Toolkit:
    return install(tmp_path_factory.mktemp("toolkit") / "cann")


def reported(folder: Path, config: dict[str, Any]) -> Workspace:
    """A working directory in which the report has been made."""
    folder.mkdir(exist_ok=True)
    space = Workspace(folder, config)
    result = space.run("report", TMPDIR=str(folder), **import_path(PACKAGES))
    assert result.returncode == 0, result.stdout + result.stderr
    return space


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory, varied_checkpoint: Path, cann: Toolkit) -> Workspace:
    """The report of a row of each kind of shapes."""
    return reported(tmp_path_factory.mktemp("ascend"), ascend_config(varied_checkpoint, cann, *ONE_OF_A_KIND))


# --- what it makes -----------------------------------------------------------------------------------------


def test_every_row_of_a_double_is_marked(made: Workspace) -> None:
    rows = {row["deployment"]: row for row in made.report()["rows"]}
    check_only_doubles_are_marked(made, set(ONE_OF_A_KIND))
    assert rows.keys() == {"ort", *ONE_OF_A_KIND}
    assert rows["om-range"]["device"] == "Ascend310P3, device 0"


def test_every_deployment_reads_what_onnxruntime_reads(made: Workspace) -> None:
    check_texts_are_onnxruntimes(made)


def test_transfers_are_steps_of_their_own(made: Workspace) -> None:
    check_transfers_are_steps(made)


def test_the_build_says_how_it_was_made(made: Workspace) -> None:
    folder = made.path / "results/builds/crnn/om-gears"
    said = json.loads((folder / "build.json").read_text())["results"]["conversion"]
    assert (said["soc_version"], said["cann"], said["command"][0]) == ("Ascend310P3", "8.0.RC3", "atc")
    assert any(argument.startswith("--dynamic_dims=1,40;1,48;") for argument in said["command"])
    assert stat.S_IMODE((folder / "model.om").stat().st_mode) == 0o600
    assert "ATC run success" in (made.path / "logs/build_ascend/crnn.om-gears.log").read_text()


def test_nothing_is_left_to_do(made: Workspace) -> None:
    assert made.planned(**import_path(PACKAGES)) == {}


def test_another_batch_converts_anew_and_makes_no_other_build(made: Workspace) -> None:
    before = deepcopy(made.config)
    made.config["deployments"]["om-static-16"]["batch"] = 8
    made.config["deployments"]["ort"] = {"batch": 8}
    planned = made.planned(**import_path(PACKAGES))
    made.config = before
    assert planned["build_ascend"] == 1
    assert "build_onnxruntime" not in planned


def test_results_that_were_copied_from_the_card_are_reported_without_it(made: Workspace) -> None:
    """No card, no ais_bench and another title: only the page is made."""
    check_copied_results_are_reported(made, "Ascend310P3, device 0")


@pytest.mark.slow
def test_so_it_is_with_every_row_of_the_overlay(tmp_path: Path, varied_checkpoint: Path, cann: Toolkit) -> None:
    names = [name for name, entry in OVERLAY.items() if entry is not None and name not in LIKE_OTHERS]
    space = reported(tmp_path / "run", ascend_config(varied_checkpoint, cann, *names))
    check_only_doubles_are_marked(space, set(names))
    check_texts_are_onnxruntimes(space)
    check_transfers_are_steps(space)
    assert len(names) == 7


@pytest.mark.slow
def test_the_older_interface_gives_the_same_texts(
    made: Workspace, workspace: Workspace, varied_checkpoint: Path, cann: Toolkit
) -> None:
    workspace.config = ascend_config(varied_checkpoint, cann, "om-range")
    environment = {**import_path(PACKAGES_2023, PACKAGES), "ACLRUNTIME_OLD": "1", "TMPDIR": str(workspace.path)}
    result = workspace.run(f"{READ}/om-range/1.parquet", **environment)
    assert result.returncode == 0, result.stdout + result.stderr
    newer, older = (read_by(space, "aspect", "om-range") for space in (made, workspace))
    assert newer.equals(older)


@pytest.mark.slow
def test_a_dataset_in_parts_gives_the_same_texts(
    made: Workspace, workspace: Workspace, varied_checkpoint: Path, cann: Toolkit
) -> None:
    """Each part is a job, and so may have a card to itself."""
    workspace.config = ascend_config(varied_checkpoint, cann, "om-range")
    workspace.config["datasets"]["sample"]["parts"] = 2
    workspace.config["deployments"]["om-range"]["options"]["devices"] = [0, 1]
    environment = {**import_path(PACKAGES), "TMPDIR": str(workspace.path)}
    files = [f"{READ}/om-range/{part}.parquet" for part in (1, 2)]
    result = workspace.run(*files, **environment)
    assert result.returncode == 0, result.stdout + result.stderr
    parts = [pl.read_parquet(workspace.path / file)["text"].to_list() for file in files]
    assert [len(texts) for texts in parts] == [6, 6]
    assert [*parts[0], *parts[1]] == read_by(made, "aspect", "om-range")["text"].to_list()


# --- what it refuses, and survives -------------------------------------------------------------------------


def without_cann(workspace: Workspace, checkpoint: Path, **entry: Any) -> None:
    workspace.config = small_config(checkpoint)
    workspace.config["deployments"] = {"torch": None, "ort-w100": None, "ort-recipe": None}
    workspace.config["deployments"]["om"] = {"runtime": "ascend", "widths": "aspect", "options": {}, **entry}


def test_without_a_toolchain_nothing_is_begun(workspace: Workspace, varied_checkpoint: Path) -> None:
    without_cann(workspace, varied_checkpoint)
    result = workspace.run("report", HOME=str(workspace.path))
    assert result.returncode != 0
    said = result.stdout + result.stderr
    assert "Traceback" not in said
    assert said.count("deployments om: no CANN toolkit here: `atc` is not on PATH") == 1
    assert said.count("deployments om: runtime ascend: the Python package 'ais_bench' is not installed here") == 1
    assert not (workspace.path / "results").exists()
    assert not (workspace.path / "logs").exists()


def test_without_a_toolchain_the_rows_of_the_processor_are_made(workspace: Workspace, varied_checkpoint: Path) -> None:
    without_cann(workspace, varied_checkpoint)
    result = workspace.run(f"{READ}/ort/1.parquet", HOME=str(workspace.path))
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_plan_needs_no_toolchain(workspace: Workspace, varied_checkpoint: Path) -> None:
    without_cann(workspace, varied_checkpoint)
    assert workspace.planned(HOME=str(workspace.path))["build_ascend"] == 1


def test_a_range_on_a_310b_is_refused_before_any_work(
    workspace: Workspace, varied_checkpoint: Path, cann: Toolkit
) -> None:
    options = {"set_env": str(cann.set_env), "soc_version": "Ascend310B1"}
    without_cann(workspace, varied_checkpoint, options=options)
    result = workspace.run("report", **import_path(PACKAGES))
    assert result.returncode != 0
    assert "deployments om: options.shapes is 'range', but Ascend310B1 takes no shape ranges" in result.stderr
    assert not (workspace.path / "results").exists()


@pytest.mark.slow
def test_a_card_that_fails_leaves_nothing_half_written_and_the_rerun_completes(
    workspace: Workspace, varied_checkpoint: Path, cann: Toolkit
) -> None:
    workspace.config = ascend_config(varied_checkpoint, cann, "om-range")
    results = [workspace.path / RUN, workspace.path / READ / "om-range"]
    targets = [f"{RUN}/{name}.json" for name in ("run", "audit")]
    environment = {**import_path(PACKAGES), "TMPDIR": str(workspace.path)}

    result = workspace.run(*targets, ACLRUNTIME_FAILS_AFTER="3", **environment)
    assert result.returncode != 0
    assert "device 0: inference of [" in result.stdout + result.stderr
    assert [path for folder in results for path in folder.rglob("*") if path.name != ".snakemake_timestamp"] == []
    assert list(workspace.path.glob("crnn-om-*")) == []

    result = workspace.run(*targets, **environment)
    assert result.returncode == 0, result.stdout + result.stderr
    written = {path.name for folder in results for path in folder.iterdir()}
    assert written >= {"1.parquet", "timings.parquet", "run.json", "audit.json"}
