"""The bundle of a cascade: its program and the library read what follows from its members' readings."""

import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from statistics import median

import polars as pl
import pytest

from bundles import PADDED, SCORE, program, recognised
from crnn.core.errors import UserError
from crnn.core.files import read_json, write_json
from crnn.inference import Reading, Recogniser
from crnn.inference.combine import Keep, combined
from crnn.inference.predict import SCHEMA
from stage_calls import call, run_stage


@pytest.fixture(scope="module")
def members(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A recogniser of gray images and one of coloured ones that are higher and padded."""
    folder = tmp_path_factory.mktemp("members")
    made = [recognised(folder / "gray", batch="4"), recognised(folder / "colour", widths=PADDED)]
    return [each.bundle.rename(folder / name) for each, name in zip(made, ("first", "second"), strict=True)]


@pytest.fixture(scope="module")
def files(members: list[Path]) -> list[Path]:
    return sorted((members[1] / "golden").glob("*.png"))


def cascade(members: list[Path], folder: Path, threshold: float, keep: Keep = "last") -> Path:
    """The bundle of a cascade of bundles."""
    write_json(folder / "cascade.json", {"threshold": threshold, "keep": keep})
    write_json(folder / "run.json", SCORE)
    identity = json.dumps({"model": "abcd", "deployment": "both", "precision": "mixed"})
    told = {"members": tuple(members), "plan": folder / "cascade.json", "runs": folder / "run.json"}
    call("make_cascade_bundle", **told, identity=identity, output=folder / "both")
    return folder / "both"


def read(bundle: Path, files: list[Path]) -> list[Reading]:
    with Recogniser.open(bundle, threads=2) as recogniser:
        return recogniser.read(files)


def frame(readings: list[Reading]) -> pl.DataFrame:
    return pl.DataFrame([(each.place, each.text, each.confidence) for each in readings], schema=SCHEMA, orient="row")


@pytest.fixture(scope="module")
def alone(members: list[Path], files: list[Path]) -> list[pl.DataFrame]:
    """What each member reads by itself."""
    return [frame(read(member, files)) for member in members]


@pytest.mark.parametrize("keep", ["last", "most-confident"])
@pytest.mark.parametrize("share", ["none", "some", "all"])
def test_the_library_and_the_program_read_what_follows_from_the_members(
    keep: Keep, share: str, members: list[Path], files: list[Path], alone: list[pl.DataFrame], tmp_path: Path
) -> None:
    threshold = {"none": 0.0, "some": median(alone[0]["confidence"]), "all": 1.01}[share]
    expected = combined(alone, threshold, keep)
    assert expected["members"].sum() == len(files) + {"none": 0, "some": len(files) // 2, "all": len(files)}[share]

    made = cascade(members, tmp_path, threshold, keep)
    assert frame(read(made, files)).equals(expected.drop("members"))
    reader = program(made)
    rows = list(reader.read([reader.opened(name) for name in reader.CASCADE["members"]], files))
    assert [row[0] for row in rows] == files
    assert [row[1] for row in rows] == expected["text"].to_list()


def test_its_members_read_differently(alone: list[pl.DataFrame]) -> None:
    """So that the test above is one."""
    assert all(before["text"].ne(after["text"]).sum() > 6 for before, after in pairwise(alone))


def test_it_works_in_another_folder_and_proves_its_members(members: list[Path], tmp_path: Path) -> None:
    made = cascade(members, tmp_path, 0.5).rename(tmp_path / "elsewhere")
    command = [sys.executable, "-I", str(made / "read.py"), "--self-test"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "every golden word is read as it was\n", "")
    (made / "members/second/golden/001.png").write_bytes(b"other")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("differs: members/second: files: golden/001.png is not the one")


def test_the_command_reads_with_it(
    members: list[Path], files: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = cascade(members, tmp_path, 0.5)
    run_stage("read", [str(made), str(files[0]), "--threads=1", "--json"])
    row = json.loads(capsys.readouterr().out)
    assert (row["text"], row["error"]) == (read(made, files[:1])[0].text, None)


def test_what_cannot_be_read_has_an_error_and_the_rest_is_read(
    members: list[Path], files: list[Path], tmp_path: Path
) -> None:
    made = cascade(members, tmp_path, 1.01)
    (tmp_path / "torn.png").write_bytes(files[0].read_bytes()[:40])
    given = [files[0], tmp_path / "torn.png", tmp_path / "missing.png", files[1]]
    readings = read(made, given)
    assert [reading.error is None for reading in readings] == [True, False, False, True]
    reader = program(made)
    rows = list(reader.read([reader.opened(name) for name in reader.CASCADE["members"]], given))
    assert [row[1] for row in rows] == [reading.text for reading in readings]


def test_a_stream_that_is_closed_early_reads_no_more(members: list[Path], files: list[Path], tmp_path: Path) -> None:
    taken = []
    with Recogniser.open(cascade(members, tmp_path, 1.01), threads=2) as recogniser:
        stream = recogniser.stream(taken.append(file) or file for file in files * 10_000)
        assert next(stream).error is None
        stream.close()
    assert len(taken) < 10_000


def test_it_says_what_it_is(members: list[Path], tmp_path: Path) -> None:
    made = cascade(members, tmp_path, 0.25, "most-confident")
    facts, readme = read_json(made / "recogniser.json"), (made / "README.md").read_text()
    assert facts["cascade"] == {
        **{"threshold": 0.25, "keep": "most-confident"},
        "members": ["members/first", "members/second"],
    }
    assert facts["scores"][0]["accuracy_ci95"] == [0.46, 0.91]
    assert "with a confidence under 0.25" in readme
    assert "Here it is `most-confident`." in readme
    assert "{" not in readme
    assert str(tmp_path) not in readme + json.dumps(facts)


@pytest.mark.parametrize("name", ["read.py", "members/second/recogniser.json", "members/first/model.onnx"])
def test_one_that_is_not_whole_is_refused_in_a_line(name: str, members: list[Path], tmp_path: Path) -> None:
    made = cascade(members, tmp_path, 0.5)
    (made / name).write_text("{}")
    with pytest.raises(UserError, match=f"{Path(name).name}: is missing, or not the file") as error:
        Recogniser.open(made)
    assert "\n" not in str(error.value)
