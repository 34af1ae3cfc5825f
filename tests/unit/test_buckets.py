"""What stages read of a plan: its width rule, and the batch size of each width."""

from pathlib import Path

import pytest

from crnn.core.errors import UserError
from crnn.core.files import write_json
from crnn.data.buckets import BucketPlan, batch_sizes, width_settings
from crnn.data.preprocess import Preprocess
from crnn.data.tensors import TensorSet, make_tensors
from crnn.inference.predict import predict
from crnn.inference.scheduler import Reader
from examples import CHARSET, POLICY, PixelReader, reader_of

RULE = {"rule": "buckets", "widths": [48, 96, 400], "stretch": 1.2, "upto": [52, 100, 400]}


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    buckets = [{"width": width, "batch": batch, "words": 9} for width, batch in ((48, 1), (96, 3), (400, 2))]
    write_json(tmp_path / "plan.json", {"rule": RULE, "buckets": buckets})
    return tmp_path / "plan.json"


def test_widths_are_given_as_json_or_as_a_plan(plan: Path) -> None:
    assert width_settings('{"rule": "fixed", "width": 64}') == {"rule": "fixed", "width": 64}
    assert width_settings(str(plan)) == RULE


def test_a_batch_size_is_a_number_or_a_plan(plan: Path) -> None:
    assert [batch_sizes(each)(48) for each in (16, "16", str(plan))] == [16, 16, 1]
    assert batch_sizes(str(plan))(400) == 2


def test_words_are_read_in_the_batches_of_the_plan_and_as_alone(plan: Path, healthy: Path, tmp_path: Path) -> None:
    preprocess = Preprocess.from_settings(width_settings(str(plan)))
    make_tensors(healthy, tmp_path / "tensors", preprocess, POLICY)
    tensors = TensorSet(tmp_path / "tensors", preprocess)
    planned, alone = PixelReader(), PixelReader()
    texts = predict(tensors, Reader(preprocess, planned, CHARSET, batch_sizes(str(plan))))
    assert texts.equals(predict(tensors, reader_of(alone, 1)))
    largest = {width: max(shape[0] for shape in planned.shapes if shape[3] == width) for width in (48, 96, 400)}
    assert largest == {48: 1, 96: 3, 400: 2}


def test_a_width_that_is_not_planned_is_an_error(plan: Path) -> None:
    with pytest.raises(UserError, match=r"plan\.json: plans widths 48, 96, 400, but a tensor is 100 wide"):
        BucketPlan.read(plan).batch_of(100)


@pytest.mark.parametrize("content", [{}, {"rule": RULE}, {"rule": RULE, "buckets": [{"width": 48}]}, [1]], ids=str)
def test_a_file_that_is_no_plan_is_refused(content: object, tmp_path: Path) -> None:
    write_json(tmp_path / "other.json", content)
    with pytest.raises(UserError, match=r"other\.json: is no plan of buckets .*delete it and run again"):
        width_settings(str(tmp_path / "other.json"))


def test_a_plan_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"absent\.json: no such file"):
        batch_sizes(str(tmp_path / "absent.json"))
