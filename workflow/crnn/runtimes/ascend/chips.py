"""Names of Ascend chips: from what `npu-smi` prints to the value of ATC's --soc_version, and what a chip can do.

Formats as public samples of `npu-smi info` show them (310P, 310B, 910B, A3 and 950 machines).
"""

import re
from dataclasses import dataclass
from pathlib import Path

from crnn.core.errors import UserError

REMEDY = "name the chip in options.soc_version, such as Ascend310P3"
# A row of the table that names a chip: number, name (in another cell on the 950), health.
_ROW = re.compile(
    r"^\|\s*(\d+)\s*\|?\s*(?:Ascend)?(\d{3}[0-9A-Za-z]*)\s*\|\s*(?:OK|Warning|Alarm|Critical|UNKNOWN)", re.MULTILINE
)
_SOC = re.compile(r"Ascend\d{3}[0-9A-Za-z]*(_[0-9A-Za-z]+)?")


@dataclass(frozen=True)
class Listed:
    """A chip as the table of `npu-smi info` lists it: its number, and its name without `Ascend`."""

    number: int
    name: str

    @property
    def decided(self) -> bool:
        """Whether the name alone is that of one chip: on an A3 the table says 910, on a 950 it leaves a part out."""
        return self.name != "910" and not self.name.startswith("950")

    @property
    def board_question(self) -> list[str]:
        """Arguments of `npu-smi` that ask for the whole name of a chip that the table does not decide."""
        chip = [] if self.name.startswith("950") else ["-c", "0"]
        return ["info", "-t", "board", "-i", str(self.number), *chip]


def first_listed(table: str) -> Listed:
    """The first chip in the output of `npu-smi info`. Raises UserError where no row names one."""
    row = _ROW.search(table)
    if row is None:
        raise UserError(f"`npu-smi info` lists no Ascend chip; {REMEDY}")
    return Listed(int(row[1]), row[2])


def soc_from_board(board: str) -> str:
    """soc_version from the output of `npu-smi info -t board`: `Chip Name` and `NPU Name`, joined by an underscore."""
    fields = dict(re.findall(r"^\s*(Chip Name|NPU Name)\s*:\s*(\S+)\s*$", board, re.MULTILINE))
    if fields.keys() != {"Chip Name", "NPU Name"}:
        raise UserError(f"`npu-smi info -t board` does not say which chip this is; {REMEDY}")
    return checked_soc("Ascend" + fields["Chip Name"].removeprefix("Ascend") + "_" + fields["NPU Name"])


def checked_soc(name: str) -> str:
    """`name` where it has the form of a soc_version; raises UserError where it has not."""
    if not isinstance(name, str) or not _SOC.fullmatch(name):
        raise UserError(f"soc_version {name!r}: expected a name such as Ascend310P3, Ascend910B4 or Ascend310B1")
    return name


def takes_ranges(soc: str) -> bool:
    """Whether models of the chip can take shape ranges: those of the 310 and the 310B cannot (ATC, --input_shape)."""
    return not re.fullmatch(r"Ascend310(B\w*)?", soc)


def check_npu(runtime: str, simulated: bool) -> None:
    """Raise UserError where this machine has no Ascend NPU, unless a contract double stands for it."""
    if not simulated and not any(Path("/dev").glob("davinci[0-9]*")):
        raise UserError(
            f"runtime {runtime}: no Ascend card here (no /dev/davinci0 or another); run on the machine that has it, or "
            "take what it made: copy its results/ here (docs/ascend.md)"
        )
