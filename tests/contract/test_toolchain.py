"""Finding CANN and running ATC: in an environment of its own, in a folder of its own, judged by status and file."""

import json
import logging
import os
import shutil
import stat
import sys
from pathlib import Path
from typing import Any

import numpy
import onnx
import pytest

from contract.toolkit import Toolkit
from crnn.core.errors import UserError
from crnn.core.files import read_json
from crnn.runtimes.ascend import toolchain as module
from crnn.runtimes.ascend.toolchain import find_toolchain
from crnn.runtimes.registry import find_runtime
from examples import CONTRACT
from networks import EXPORTS
from stage_calls import call

pytestmark = EXPORTS

RANGE = {"shapes": "range", "batch": 16, "width_rule": {"rule": "recipe"}}


def options(toolkit: Toolkit, **more: Any) -> dict[str, Any]:
    return {"set_env": str(toolkit.set_env), "soc_version": "Ascend310P3", **RANGE, **more}


def build(source: Path, directory: Path, chosen: dict[str, Any]) -> list[Path]:
    return find_runtime("ascend").build(source, directory, chosen)


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without CANN, whatever this one has."""
    for name in ("ASCEND_TOOLKIT_HOME", "ASCEND_HOME_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(module, "PLACES", (str(tmp_path / "a/set_env.sh"), str(tmp_path / "b/set_env.sh")))


# --- finding it --------------------------------------------------------------------------------------------


def test_the_script_that_the_options_name_is_sourced(toolkit: Toolkit) -> None:
    found = find_toolchain({"set_env": str(toolkit.set_env)})
    assert (found.atc, found.version) == (toolkit.home / "bin/atc", "8.0.RC3")
    assert found.environment["ASCEND_TOOLKIT_HOME"] == str(toolkit.home)


def test_a_toolkit_in_its_usual_place_is_found(toolkit: Toolkit, nowhere: None, monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "PLACES", ("/nowhere/set_env.sh", str(toolkit.set_env)))
    assert find_toolchain({}).atc == toolkit.home / "bin/atc"


def test_what_was_sourced_before_is_used(toolkit: Toolkit, nowhere: None, monkeypatch: Any) -> None:
    monkeypatch.setenv("PATH", f"{toolkit.home}/bin:{os.environ['PATH']}")
    monkeypatch.setenv("ASCEND_HOME_PATH", str(toolkit.home))
    monkeypatch.setenv("PYTHONPATH", f"{toolkit.home}/python/site-packages")
    assert find_toolchain({}).version == "8.0.RC3"


def test_no_toolkit_says_what_to_install_or_to_name(nowhere: None, tmp_path: Path) -> None:
    with pytest.raises(UserError) as stopped:
        find_toolchain({})
    assert str(stopped.value) == (
        f"no CANN toolkit here: `atc` is not on PATH, and there is no {tmp_path}/a/set_env.sh or "
        f"{tmp_path}/b/set_env.sh; install CANN, or name its set_env.sh in options.set_env, or build on a machine that "
        "has it (docs/ascend.md)"
    )


def test_a_script_that_is_not_there_is_named() -> None:
    with pytest.raises(UserError, match=r"options\.set_env is '/no/set_env.sh', which does not exist"):
        find_toolchain({"set_env": "/no/set_env.sh"})


def test_a_script_without_atc_is_named(toolkit: Toolkit) -> None:
    (toolkit.home / "bin/atc").unlink()
    with pytest.raises(UserError, match=r"set_env\.sh was sourced, and there is no `atc` on PATH after it"):
        find_toolchain({"set_env": str(toolkit.set_env)})


def test_the_path_of_a_script_is_never_read_as_a_command(
    toolkit: Toolkit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = tmp_path / "$(touch hacked); touch hacked ' \" && touch hacked"
    odd.mkdir()
    script = shutil.copy(toolkit.set_env, odd / "set_env.sh")
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    assert find_toolchain({"set_env": str(script)}).atc == toolkit.home / "bin/atc"
    assert list(tmp_path.rglob("hacked")) == []


def test_a_version_that_no_file_says_can_be_named(toolkit: Toolkit) -> None:
    for info in toolkit.home.glob("*-linux/*.info"):
        info.write_text("package_name=Ascend-cann-toolkit\n")
    with pytest.raises(UserError, match=r"CANN's version is not known: .*options\.cann_version"):
        find_toolchain({"set_env": str(toolkit.set_env)})
    assert find_toolchain({"set_env": str(toolkit.set_env), "cann_version": "7.0.0"}).version == "7.0.0"


# --- the interpreter that ATC gets -------------------------------------------------------------------------


def test_atc_never_gets_this_projects_python(toolkit: Toolkit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "link").symlink_to(sys.prefix)
    monkeypatch.setenv("VIRTUAL_ENV", sys.prefix)
    monkeypatch.setenv("PATH", f"{sys.prefix}/bin:{tmp_path}/link/bin:{os.environ['PATH']}")
    environment = find_toolchain({"set_env": str(toolkit.set_env)}).environment
    assert not {f"{sys.prefix}/bin", f"{tmp_path}/link/bin"} & set(environment["PATH"].split(":"))
    assert "VIRTUAL_ENV" not in environment


def test_a_numpy_that_atc_cannot_use_is_refused(toolkit: Toolkit) -> None:
    toolkit.put_module("numpy", f'__version__ = "{numpy.__version__}"\n')
    with pytest.raises(
        UserError, match=rf"bin/python3, whose numpy is {numpy.__version__}; name one .*options\.python"
    ):
        find_toolchain({"set_env": str(toolkit.set_env)})


def test_a_python_without_numpy_is_refused(toolkit: Toolkit) -> None:
    toolkit.put_command("python3", "exit 1")
    with pytest.raises(UserError, match=r"bin/python3, which has no numpy; name one with numpy before 2"):
        find_toolchain({"set_env": str(toolkit.set_env)})


def test_the_python_of_the_options_comes_first(toolkit: Toolkit, tmp_path: Path) -> None:
    own = tmp_path / "own/python3"
    own.parent.mkdir()
    own.write_text("#!/bin/sh\necho 1.24.0\n")
    own.chmod(0o755)
    toolkit.put_command("python3", "exit 1")
    environment = find_toolchain({"set_env": str(toolkit.set_env), "python": str(own)}).environment
    assert environment["PATH"].startswith(f"{own.parent}:")
    with pytest.raises(UserError, match=r"options\.python is '/no/python3', which does not exist"):
        find_toolchain({"set_env": str(toolkit.set_env), "python": "/no/python3"})


# --- the chip ----------------------------------------------------------------------------------------------


def test_pyacl_is_asked_for_the_chip_first(toolkit: Toolkit) -> None:
    toolkit.put_module("acl", 'def get_soc_name():\n    return "Ascend910B4"\n')
    toolkit.put_npu_smi(info="| 0       310P3                 | OK              |\n")
    assert find_toolchain({"set_env": str(toolkit.set_env)}).soc_version() == "Ascend910B4"


def test_npu_smi_is_asked_next(toolkit: Toolkit) -> None:
    toolkit.put_npu_smi(info="| 0       310P3                 | OK              |\n")
    assert find_toolchain({"set_env": str(toolkit.set_env)}).soc_version() == "Ascend310P3"


def test_a_table_that_does_not_decide_leads_to_the_board(toolkit: Toolkit) -> None:
    board = "Chip Name  : Ascend910\nNPU Name   : 9392\n"
    toolkit.put_npu_smi(info="| 0     Ascend910           | OK            |\n", board=board)
    assert find_toolchain({"set_env": str(toolkit.set_env)}).soc_version() == "Ascend910_9392"


def test_a_machine_without_a_card_says_how_to_name_the_chip(toolkit: Toolkit) -> None:
    with pytest.raises(
        UserError, match=r"neither pyACL nor npu-smi answers .*options\.soc_version, such as Ascend310P3"
    ):
        find_toolchain({"set_env": str(toolkit.set_env)}).soc_version()


# --- converting --------------------------------------------------------------------------------------------


def test_a_conversion_leaves_a_private_model_and_its_facts(toolkit: Toolkit, fixed: Path, tmp_path: Path) -> None:
    folder = tmp_path / "a folder.om with blanks"  # of which ATC sees nothing
    model, facts = build(fixed, folder, options(toolkit))
    assert stat.S_IMODE(model.stat().st_mode) == 0o600
    assert sorted(folder.iterdir()) == sorted([model, facts])
    said = read_json(facts)
    assert said["command"][0] == "atc"
    assert "--input_shape=imgs:1~16,1,32,32~320" in said["command"]
    assert (said["soc_version"], said["cann"]) == ("Ascend310P3", "8.0.RC3")
    assert said["shapes"] == {"mode": "range", "batches": [1, 16], "widths": [32, 320]}
    assert said["host"].startswith("linux_")


def test_nothing_is_left_in_the_working_directory(
    toolkit: Toolkit, fixed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    build(fixed, tmp_path / "build", options(toolkit))
    assert list(Path.cwd().iterdir()) == []


def test_the_record_has_chip_version_and_command(toolkit: Toolkit, fixed: Path, tmp_path: Path) -> None:
    CONTRACT.write(tmp_path / "contract.json")
    told = {"source": fixed, "contract": tmp_path / "contract.json", "runtime": "ascend"}
    made = {"output": tmp_path, "record": tmp_path / "build.json"}
    call("build_model", **told, options=json.dumps(options(toolkit)), **made)
    said = read_json(tmp_path / "build.json")["results"]["conversion"]
    assert (said["soc_version"], said["cann"], said["command"][0]) == ("Ascend310P3", "8.0.RC3", "atc")


def test_what_atc_says_is_kept_in_the_log(
    toolkit: Toolkit, fixed: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="crnn"):
        build(fixed, tmp_path / "build", options(toolkit))
    assert "atc: ATC run success, welcome to the next use." in caplog.text


def test_a_failed_conversion_leaves_nothing_and_says_why(toolkit: Toolkit, fixed: Path, tmp_path: Path) -> None:
    model = onnx.load(fixed)
    model.opset_import.append(onnx.helper.make_opsetid("ai.onnx.ml", 2))
    onnx.save(model, tmp_path / "two.onnx")
    with pytest.raises(
        UserError, match=r"ATC failed with status 255, E16005: the model imports more than one operator"
    ):
        build(tmp_path / "two.onnx", tmp_path / "build", options(toolkit))
    assert not (tmp_path / "build").exists()


def test_a_chip_that_atc_does_not_know_is_its_e10001(toolkit: Toolkit, fixed: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"E10001: .*is soc_version right and the ops package of that chip installed"):
        build(fixed, tmp_path / "build", options(toolkit, soc_version="Ascend310P9"))


def test_success_without_a_file_is_no_success(toolkit: Toolkit, fixed: Path, tmp_path: Path) -> None:
    toolkit.put_command("atc", "echo ATC run success, welcome to the next use.")
    with pytest.raises(UserError, match="ATC reported success and left no"):
        build(fixed, tmp_path / "build", options(toolkit))
    assert not (tmp_path / "build").exists()


def test_an_option_that_is_none_is_named(toolkit: Toolkit, fixed: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="unknown key 'soc'; allowed: soc_version, set_env"):
        build(fixed, tmp_path / "build", options(toolkit, soc="310P3"))
