"""Which chip `npu-smi` names: rows of its tables from public samples of each generation of cards."""

import pytest

from crnn.core.errors import UserError
from crnn.runtimes.ascend.chips import Listed, checked_soc, first_listed, soc_from_board, takes_ranges

HEADER = """
+--------------------------------------------------------------------------------------------------------+
| npu-smi 23.0.0                                   Version: 23.0.0                                       |
+-------------------------------+-----------------+------------------------------------------------------+
"""
TABLES = {
    "310P": (
        """| NPU     Name                  | Health          | Power(W)     Temp(C)           Hugepages-Usage(page) |
| Chip    Device                | Bus-Id          | AICore(%)    Memory-Usage(MB)                        |
+===============================+=================+======================================================+
| 224     310P3                 | OK              | NA           47                0     / 0             |
| 0       0                     | 0000:86:00.0    | 0            1375 / 21527                            |
+-------------------------------+-----------------+------------------------------------------------------+
""",
        Listed(224, "310P3"),
    ),
    "310B": (
        """| NPU     Name                  | Health          | Power(W)     Temp(C)           Hugepages-Usage(page) |
+===============================+=================+======================================================+
| 0       310B4                 | Alarm           | 0.0          53                15    / 15            |
| 0       0                     | NA              | 0            2368 / 7545                             |
+===============================+=================+======================================================+
""",
        Listed(0, "310B4"),
    ),
    "A2": (
        """| NPU   Name                | Health        | Power(W)    Temp(C)           Hugepages-Usage(page)|
| Chip                      | Bus-Id        | AICore(%)   Memory-Usage(MB)  HBM-Usage(MB)        |
+===========================+===============+====================================================+
| 3     910B4               | OK            | 88.6        36                0    / 0             |
| 0                         | 0000:01:00.0  | 0           0    / 0          2824 / 32768         |
""",
        Listed(3, "910B4"),
    ),
    "A3": (
        """| NPU   Name                | Health        | Power(W)    Temp(C)           Hugepages-Usage(page)|
| Chip  Phy-ID              | Bus-Id        | AICore(%)   Memory-Usage(MB)  HBM-Usage(MB)        |
+===========================+===============+====================================================+
| 0     Ascend910           | OK            | 166.4       37                0    / 0             |
| 0     0                   | 0000:9D:00.0  | 0           0    / 0          3114 / 65536         |
| 0     Ascend910           | OK            | -           37                0    / 0             |
""",
        Listed(0, "910"),
    ),
    "950": ("| 0     | 950PR              | OK            | 120.0       40 |\n", Listed(0, "950PR")),
}


@pytest.mark.parametrize(("rows", "listed"), TABLES.values(), ids=TABLES)
def test_the_first_chip_of_a_table_is_found(rows: str, listed: Listed) -> None:
    assert first_listed(HEADER + rows) == listed


def test_a_table_without_a_chip_says_how_to_name_one() -> None:
    with pytest.raises(UserError, match=r"lists no Ascend chip; name the chip in options.soc_version"):
        first_listed(HEADER)


@pytest.mark.parametrize(
    ("listed", "question"),
    [
        (Listed(0, "910"), ["info", "-t", "board", "-i", "0", "-c", "0"]),
        (Listed(2, "950PR"), ["info", "-t", "board", "-i", "2"]),
    ],
)
def test_a_name_that_is_not_one_chip_asks_the_board(listed: Listed, question: list[str]) -> None:
    assert not listed.decided
    assert listed.board_question == question
    assert Listed(0, "310P3").decided


def test_the_board_gives_both_halves_of_the_name() -> None:
    board = (
        "\tNPU ID                         : 0\n\tChip Name                      : Ascend910\n\tNPU Name      : 9392\n"
    )
    assert soc_from_board(board) == "Ascend910_9392"
    with pytest.raises(UserError, match=r"does not say which chip this is; name the chip in options.soc_version"):
        soc_from_board("\tChip Type : Ascend\n\tChip Name : 910B4\n")


@pytest.mark.parametrize("name", ["Ascend310", "Ascend310P3", "Ascend910ProA", "Ascend910_9392", "Ascend950PR_9579"])
def test_names_of_chips_are_accepted(name: str) -> None:
    assert checked_soc(name) == name


@pytest.mark.parametrize("name", ["310P3", "ascend310P3", "Ascend310P3 --log=debug", "", 310])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(UserError, match="expected a name such as Ascend310P3"):
        checked_soc(name)


def test_the_310_and_the_310b_take_no_ranges() -> None:
    assert [soc for soc in ("Ascend310", "Ascend310B1", "Ascend310P3", "Ascend910B4") if not takes_ranges(soc)] == [
        "Ascend310",
        "Ascend310B1",
    ]
