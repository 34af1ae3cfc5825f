"""Digests of code: they change with what a stage really runs, and with nothing else."""

import ast
import os
import shutil
from pathlib import Path

import pytest

from engine.code_digest import Modules
from engine.store import Store

WORKFLOW = Path(__file__).parents[2] / "workflow"

SOURCES = {
    "stage.py": "from package.near import run\n\n\ndef main():\n    return run(1)  # one\n",
    "package/__init__.py": "",
    "package/near.py": "import package.deep.far as far\n\n\ndef run(x):\n    return far.step(x)\n",
    "package/deep/__init__.py": "",
    "package/deep/far.py": "import json\n\n\ndef step(x):\n    return json.dumps(x)\n",
    "package/unrelated.py": "def other():\n    return 2\n",
    "page.html": "<p>{{ text }}</p>\n",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A stage that imports a module that imports a module."""
    for name, source in SOURCES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(source)
    return tmp_path


def digest(root: Path, *files: str) -> dict[str, str]:
    return Modules(root).digests(*(files or ("stage.py",)))


def edit(path: Path, old: str, new: str) -> None:
    source = path.read_text()
    assert old in source
    path.write_text(source.replace(old, new))


def test_each_module_has_a_digest_of_sixteen_hexadecimal_digits(root: Path) -> None:
    assert list(digest(root)) == [
        "package/__init__.py",
        "package/deep/__init__.py",
        "package/deep/far.py",
        "package/near.py",
        "stage.py",
    ]
    assert all(len(value) == 16 and int(value, 16) for value in digest(root).values())


def test_the_module_that_changed_is_named(root: Path) -> None:
    before = digest(root)
    edit(root / "package/deep/far.py", "dumps(x)", "dumps([x])")
    after = digest(root)
    assert [path for path in after if after[path] != before[path]] == ["package/deep/far.py"]


def test_packages_are_those_that_the_stage_or_a_module_of_it_imports(root: Path) -> None:
    assert Modules(root).packages("stage.py") == {"package", "json"}


# --- what changes it ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("stage.py", "run(1)", "run(2)"),
        ("package/near.py", "far.step(x)", "far.step(x + 1)"),
        ("package/deep/far.py", "dumps(x)", "dumps([x])"),
    ],
    ids=["the stage", "what it imports", "what that imports"],
)
def test_an_edit_of_what_is_run_changes_it(name: str, old: str, new: str, root: Path) -> None:
    before = digest(root)
    edit(root / name, old, new)
    assert digest(root) != before


@pytest.mark.parametrize("package", ["package", "package/deep"])
def test_an_edit_of_a_package_that_importing_runs_changes_it(package: str, root: Path) -> None:
    before = digest(root)
    (root / package / "__init__.py").write_text("LIMIT = 3\n")
    assert digest(root) != before


@pytest.mark.parametrize(
    "statement",
    [
        "import package.unrelated",
        "import package.unrelated as other",
        "from package import unrelated",
        "from package import near, unrelated as other",
        "from package.unrelated import other",
        "from package.unrelated import *",
        "def late():\n    from package.unrelated import other",
        "if False:\n    import package.unrelated",
    ],
)
def test_every_form_of_import_is_followed(statement: str, root: Path) -> None:
    (root / "stage.py").write_text(statement + "\n")
    before = digest(root)
    edit(root / "package" / "unrelated.py", "return 2", "return 3")
    assert digest(root) != before


def test_a_module_that_moves_changes_it(root: Path) -> None:
    before = digest(root)
    (root / "package" / "deep" / "far").mkdir()
    (root / "package" / "deep" / "far.py").rename(root / "package" / "deep" / "far" / "__init__.py")
    assert digest(root) != before


def test_modules_that_import_each_other_are_both_in_it(root: Path) -> None:
    edit(root / "package" / "deep" / "far.py", "import json", "import json\nimport package.near")
    before = digest(root)
    edit(root / "package" / "near.py", "step(x)", "step(-x)")
    assert digest(root) != before


def test_a_module_that_no_import_names_can_be_added(root: Path) -> None:
    before = digest(root, "stage.py", "package/unrelated.py")
    assert before != digest(root, "stage.py")
    edit(root / "package" / "unrelated.py", "return 2", "return 3")
    assert digest(root, "stage.py", "package/unrelated.py") != before


def test_a_data_file_counts_by_its_bytes(root: Path) -> None:
    before = digest(root, "stage.py", "page.html")
    edit(root / "page.html", "<p>", "<p >")
    assert digest(root, "stage.py", "page.html") != before


# --- what does not -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in SOURCES if name.endswith(".py")])
def test_touching_a_file_does_not_change_it(name: str, root: Path) -> None:
    before = digest(root)
    os.utime(root / name, (2_000_000_000, 2_000_000_000))
    assert digest(root) == before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# one", "# the number one"),
        ("  # one", ""),
        ("\n\n\n", "\n\n\n\n\n"),
        ("run(1)", "run(\n        1,\n    )"),
        ("    return", "        return"),
        ("def main():", 'def main():\n    """Do it."""'),
        ("from package", '"""A stage."""\nfrom package'),
    ],
    ids=["a comment", "no comment", "blank lines", "reformatted", "indented otherwise", "docstring", "of the module"],
)
def test_what_python_does_not_read_does_not_change_it(old: str, new: str, root: Path) -> None:
    before = digest(root)
    edit(root / "stage.py", old, new)
    assert digest(root) == before


def test_a_module_that_is_not_imported_does_not_change_it(root: Path) -> None:
    before = digest(root)
    edit(root / "package" / "unrelated.py", "return 2", "return 3")
    (root / "package" / "new.py").write_text("x = 1\n")
    (root / "json.txt").write_text("no module\n")
    assert digest(root) == before


def test_the_order_of_files_does_not_change_it(root: Path) -> None:
    assert digest(root, "stage.py", "page.html") == digest(root, "page.html", "stage.py")


def test_moving_the_repository_does_not_change_it(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "clone"
    shutil.copytree(root, elsewhere)
    assert digest(elsewhere) == digest(root)


# --- remembering ---------------------------------------------------------------------------------------------


def remembering(root: Path) -> dict[str, str]:
    store = Store(root / ".cache" / "modules.json")
    found = Modules(root, store).digests("stage.py", "page.html")
    store.save()
    return found


def test_what_was_remembered_is_what_would_be_found(root: Path) -> None:
    first = remembering(root)
    assert remembering(root) == first == digest(root, "stage.py", "page.html")
    edit(root / "package/deep/far.py", "import json", "import json, package.unrelated")
    assert remembering(root) == digest(root, "stage.py", "page.html") != first


def test_a_module_is_not_read_again_unless_its_bytes_are_new(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remembering(root)
    edit(root / "stage.py", "run(1)", "run(2)")
    read: list[bytes] = []
    parse = ast.parse
    monkeypatch.setattr(ast, "parse", lambda source: read.append(source) or parse(source))
    remembering(root)
    assert read == [(root / "stage.py").read_bytes()]


def test_a_store_that_cannot_be_read_costs_nothing_but_time(root: Path) -> None:
    first = remembering(root)
    (root / ".cache" / "modules.json").write_text("{half")
    assert remembering(root) == first


# --- this repository ---------------------------------------------------------------------------------------


def test_an_edited_surgery_pass_concerns_fix_onnx_alone(tmp_path: Path) -> None:
    copy = tmp_path / "workflow"
    shutil.copytree(WORKFLOW, copy, ignore=shutil.ignore_patterns("__pycache__", ".*cache"))
    stages = sorted(path.relative_to(copy).as_posix() for path in copy.glob("stages/*/*.py"))
    before, after = Modules(copy), Modules(copy)
    digests = {stage: before.digests(stage) for stage in stages}
    edit(copy / "crnn" / "model" / "surgery" / "gemm.py", '"MatMul"', '"Gemm"')
    assert [stage for stage in stages if after.digests(stage) != digests[stage]] == ["stages/model/fix_onnx.py"]
