"""`crnn read`: a line for every image that is named or found, in three forms, and a status that scripts can act on."""

import csv
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bundles import Recognised, recognised
from crnn.core.errors import UserError
from crnn.core.files import read_json
from stage import STAGES
from stage_calls import run_stage


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Recognised:
    return recognised(tmp_path_factory.mktemp("made"))


@pytest.fixture
def images(made: Recognised, tmp_path: Path) -> Path:
    """Two words, one of them in a folder of the folder; a label file that is no image."""
    folder = tmp_path / "images"
    (folder / "more").mkdir(parents=True)
    shutil.copy(made.bundle / "golden/001.png", folder / "door.png")
    shutil.copy(made.bundle / "golden/002.png", folder / "more/exit.PNG")
    (folder / "labels.tsv").write_text("door.png\tdoor\n")
    return folder


def read(made: Recognised, *words: object) -> None:
    run_stage("read", [str(made.bundle), *map(str, words), "--threads=2"])


def text_of(made: Recognised, index: int) -> str:
    return str(read_json(made.bundle / "golden/words.json")[index - 1]["text"])


def test_a_line_has_path_text_and_confidence(
    made: Recognised, images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    read(made, images / "door.png", made.bundle / "golden/003.png")
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    paths, texts = [str(images / "door.png"), str(made.bundle / "golden/003.png")], [text_of(made, i) for i in (1, 3)]
    assert [row[:2] for row in rows] == [list(row) for row in zip(paths, texts, strict=True)]
    assert all(0 <= float(row[2]) <= 1 for row in rows)


def test_a_folder_is_looked_into_and_with_recursive_its_folders_too(
    made: Recognised, images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    read(made, images)
    assert [line.split("\t")[0] for line in capsys.readouterr().out.splitlines()] == [str(images / "door.png")]
    read(made, images, "--recursive")
    assert [Path(line.split("\t")[0]).name for line in capsys.readouterr().out.splitlines()] == ["door.png", "exit.PNG"]


def test_the_other_forms_hold_the_same(made: Recognised, images: Path, capsys: pytest.CaptureFixture[str]) -> None:
    read(made, images, "--json")
    (row,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert row == {"file": str(images / "door.png"), "text": text_of(made, 1), "confidence": row["confidence"]} | {
        "error": None
    }
    read(made, images, "--csv")
    (same,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert same == {key: "" if value is None else str(value) for key, value in row.items()}


def test_of_two_thousand_paths_none_is_lost(
    made: Recognised, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every hundredth cannot be read; the lines stay in the order of the paths, and the status says how many."""
    words = [made.bundle / "golden" / f"{1 + i % 12:03}.png" for i in range(2000)]
    for place in range(0, 2000, 100):
        words[place] = tmp_path / f"missing{place}.png"
    with pytest.raises(UserError, match=r"^20 of 2000 images could not be read; their lines say why$"):
        read(made, *words, "--json")
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["file"] for row in rows] == list(map(str, words))
    assert [place for place, row in enumerate(rows) if row["error"]] == list(range(0, 2000, 100))
    assert rows[0]["error"].startswith("[Errno 2] No such file")
    assert all(row["text"] == text_of(made, 1 + i % 12) for i, row in enumerate(rows) if not row["error"])


@pytest.mark.parametrize("form", [(), ("--json",), ("--csv",)])
def test_a_name_that_is_no_text_is_written_so_that_it_can_be_told(
    form: tuple[str, ...], made: Recognised, images: Path
) -> None:
    (images / os.fsdecode(b"caf\xe9.png")).write_bytes((images / "door.png").read_bytes())
    done = command(made, images, *form)
    assert done.returncode == 0, done.stderr
    assert r"caf\udce9.png" in done.stdout
    assert "door.png" in done.stdout


def command(made: Recognised, *words: object) -> "subprocess.CompletedProcess[str]":
    started = [sys.executable, STAGES.parent / "stage.py", "read", made.bundle, *words]
    strict = os.environ | {"PYTHONIOENCODING": "utf-8:strict"}
    return subprocess.run(list(map(str, started)), capture_output=True, text=True, check=False, env=strict)


def test_the_status_is_for_scripts(made: Recognised, images: Path) -> None:
    done = command(made, images, images / "none.png")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "error: 1 of 2 images could not be read; their lines say why"
    assert "Traceback" not in done.stderr


def test_a_folder_without_images_is_said(made: Recognised, tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    with pytest.raises(UserError, match=r"no image in .*nothing"):
        read(made, tmp_path / "nothing")


def test_a_bundle_with_a_wrong_hash_is_a_line(made: Recognised, images: Path, tmp_path: Path) -> None:
    bundle = shutil.copytree(made.bundle, tmp_path / "copy")
    (bundle / "model.onnx").write_bytes(b"other")
    with pytest.raises(UserError, match=r"model\.onnx: is missing, or not the file that recogniser\.json names"):
        run_stage("read", [str(bundle), str(images)])
