"""Evaluation folders: one entry of the config, a dataset for each set, named as the field names them."""

from pathlib import Path

import pytest

from configs import checked
from engine.config import ConfigError
from engine.evaluations import sets_in
from engine.layout import Layout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The usual folder: sets side by side, some deeper, one a link to elsewhere."""
    for name in ("CUTE80", "IC13/857", "IC13/1015", "more/deeper/SVT", "union/artistic", "elsewhere/IIIT5k_3000"):
        home = tmp_path if name.startswith("elsewhere") else tmp_path / "evaluation"
        (home / name).mkdir(parents=True)
        (home / name / "data.mdb").touch()
    (tmp_path / "evaluation/IIIT5k_3000").symlink_to(tmp_path / "elsewhere/IIIT5k_3000")
    (tmp_path / "evaluation/notes").mkdir()
    return tmp_path / "evaluation"


def test_sets_are_found_in_depth_and_named_as_their_folders(folder: Path) -> None:
    assert list(sets_in(folder)) == ["CUTE80", "IC13_1015", "IC13_857", "IIIT5k_3000", "SVT", "artistic"]
    assert sets_in(folder)["SVT"] == folder / "more/deeper/SVT"


def test_sets_of_one_name_are_told_apart_by_their_folders(folder: Path) -> None:
    (folder / "union/SVT").mkdir()
    (folder / "union/SVT/data.mdb").touch()
    assert {"more_deeper_SVT", "union_SVT"} < set(sets_in(folder))


def test_the_folder_of_one_lmdb_is_one_set(folder: Path) -> None:
    assert sets_in(folder / "CUTE80") == {"CUTE80": folder / "CUTE80"}


def test_an_entry_becomes_a_dataset_for_each_set(folder: Path) -> None:
    entry = {"evaluation": f"{folder}/", "sets": ["SVT", "CUTE80"], "parts": 2}
    config = checked({"datasets": {"sample": None, "two": entry}})
    assert config["datasets"] == {
        "SVT": {"lmdb": str(folder / "more/deeper/SVT"), "group": "two", "parts": 2},
        "CUTE80": {"lmdb": str(folder / "CUTE80"), "group": "two", "parts": 2},
    }
    assert Layout(config, {}, folder).evaluations == {"two": ["SVT", "CUTE80"]}


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"evaluation": "{folder}/notes"}, "datasets.six.evaluation is '.*notes'; expected a folder that holds LMDB"),
        ({"evaluation": "{folder}", "sets": ["SVTP"]}, "datasets.six.sets names 'SVTP'; expected some of CUTE80, IC13"),
        ({"evaluation": "{folder}", "lmdb": "words"}, "datasets.six: has evaluation and lmdb; expected one source"),
    ],
)
def test_what_is_no_evaluation_is_a_fault(folder: Path, entry: dict[str, str], message: str) -> None:
    filled = {key: value.format(folder=folder) if isinstance(value, str) else value for key, value in entry.items()}
    with pytest.raises(ConfigError, match=message):
        checked({"datasets": {"six": filled}})


def test_a_set_that_is_called_as_another_dataset_is_a_fault(folder: Path) -> None:
    (folder / "sample").mkdir()
    (folder / "sample/data.mdb").touch()
    with pytest.raises(ConfigError, match=r"datasets\.six holds a set 'sample', a name that datasets has already"):
        checked({"datasets": {"six": {"evaluation": str(folder)}}})
