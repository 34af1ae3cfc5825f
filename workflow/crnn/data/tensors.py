"""The tensors of a dataset: every word prepared once, as .npy files by width, and read again by batch.

A dataset is prepared in parts, a folder each. `contract.json` says how its words were prepared, and `TensorSet` checks
that this environment would prepare them in the same way.
"""

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from crnn.core.command import progress
from crnn.core.errors import UserError
from crnn.core.files import file_facts, read_json, scratch_directory, write_json, write_text
from crnn.core.tables import write_table
from crnn.core.workers import WorkerProcesses
from crnn.data.buckets import BatchOf, at_most
from crnn.data.decode import Pixels, is_foreign
from crnn.data.labels import LabelPolicy, label_text
from crnn.data.lmdb import Word, Words
from crnn.data.parts import WHOLE, Part
from crnn.data.preprocess import NORMALISATION, Preprocess, Tensor, normalise

POLICY_WORDS = 1000  # labels that the policy is tried on before anything is prepared
NEARLY_ALL = 0.9
LEFT_OUT = ("empty-label", "outside-charset")  # statuses of labels of which the policy compares nothing
CHUNK = 512  # words a worker prepares at a time; bounds what is in memory, not what is computed

# Columns of samples.parquet: those of a `Sample`, and its row in the file of its width.
SAMPLES = {
    **{"index": pl.Int64, "key": pl.String, "label": pl.String, "text": pl.String, "outside": pl.String},
    **{"width": pl.Int64, "height": pl.Int64, "tensor_width": pl.Int64, "status": pl.String, "row": pl.Int64},
}

ImageStatus = Literal["missing-image", "corrupt-image", "unsupported-image"]
LabelStatus = Literal["ok", "missing-label", "garbled-label", "empty-label", "outside-charset"]


# --- one word ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sample:
    """One row of samples.parquet, without its place in the tensor files. Sizes in pixels; 0 where unknown."""

    index: int
    key: str
    label: str | None
    text: str
    outside: str
    width: int
    height: int
    tensor_width: int
    status: ImageStatus | LabelStatus


def _read_label(stored: bytes | None, policy: LabelPolicy) -> tuple[str | None, str, str, LabelStatus]:
    """A stored label as text, what of it is compared, what is not, and its status."""
    if stored is None:
        return None, "", "", "missing-label"
    label = label_text(stored)
    if label is None:
        return stored.decode("utf-8", "backslashreplace"), "", "", "garbled-label"
    text, outside = policy.apply(label)
    if outside and policy.outside == "reject":
        return label, text, outside, "outside-charset"
    return label, text, outside, "ok" if text else "empty-label"


def prepare(word: Word, preprocess: Preprocess, policy: LabelPolicy) -> tuple[Sample, Pixels | None]:
    """Read one LMDB record: its row of samples.parquet, and uint8 [channels, height, W] where the image can be read."""
    label, text, outside, status = _read_label(word.label, policy)
    sample = partial(Sample, word.index, word.key, label, text, outside)
    if not word.image:
        return sample(0, 0, 0, "missing-image"), None
    image = preprocess.decode(word.image)
    if image is None:
        return sample(0, 0, 0, "unsupported-image" if is_foreign(word.image) else "corrupt-image"), None
    pixels = preprocess.resize(image)
    return sample(image.shape[1], image.shape[0], pixels.shape[2], status), pixels


def check_policy(words: Words, policy: LabelPolicy) -> None:
    """Raise UserError where the policy leaves nothing of nearly all labels, of which some are looked at."""
    some = range(1, len(words) + 1, max(1, len(words) // POLICY_WORDS))
    read = [_read_label(words[index].label, policy) for index in some]
    labels = [(label, status) for label, *_, status in read if label and status in ("ok", *LEFT_OUT)]
    lost = [label for label, status in labels if status != "ok"]
    if lost and len(lost) >= NEARLY_ALL * len(labels):
        raise UserError(
            f"{words.directory}: labels.characters ({policy.characters[:40]}) and labels.outside ({policy.outside}) "
            f"leave nothing of {len(lost)} of {len(labels)} labels, such as {lost[0][:40]!r}; name the characters of "
            "these words, and labels.normalise: nfc where they are not ASCII"
        )


# --- a dataset ---------------------------------------------------------------------------------------------


def _prepare_chunk(
    words: Path, preprocess: Preprocess, policy: LabelPolicy, indices: range
) -> list[tuple[Sample, Pixels | None]]:
    with Words(words) as reader:
        return [prepare(reader[index], preprocess, policy) for index in indices]


def _prepared(
    words: Path, indices: range, preprocess: Preprocess, policy: LabelPolicy, processes: int
) -> Iterator[tuple[Sample, Pixels | None]]:
    chunks = [indices[start : start + CHUNK] for start in range(0, len(indices), CHUNK)]
    apart = min(processes, len(chunks))  # one process is this one
    with WorkerProcesses(partial(_prepare_chunk, words, preprocess, policy), apart if apart > 1 else 0) as workers:
        yield from chain.from_iterable(workers.map(chunks))


def _write_header(stream: BinaryIO, shape: tuple[int, ...]) -> None:
    """Begin a .npy file of float32. NumPy pads the header, so another number of rows can be written over it."""
    stream.seek(0)
    np.lib.format.write_array_header_1_0(stream, {"descr": "<f4", "fortran_order": False, "shape": shape})


def _write_tensors(prepared: Iterable[tuple[Sample, Pixels | None]], directory: Path) -> pl.DataFrame:
    """Append each word to its width's file; return samples (with `row`)."""
    files: dict[tuple[int, ...], BinaryIO] = {}
    counts: Counter[tuple[int, ...]] = Counter()
    samples: list[dict[str, Any]] = []
    with ExitStack() as stack:
        for sample, pixels in prepared:
            samples.append({**asdict(sample), "row": None})
            if pixels is None:
                continue
            shape = pixels.shape
            if shape not in files:
                files[shape] = stack.enter_context((directory / f"w{sample.tensor_width}.npy").open("wb"))
                _write_header(files[shape], (0, *shape))
            files[shape].write(normalise(pixels).tobytes())
            samples[-1]["row"] = counts[shape]
            counts[shape] += 1
        for shape, file in files.items():
            _write_header(file, (counts[shape], *shape))
            file.flush()
            os.fsync(file.fileno())
    return pl.DataFrame(samples, schema=SAMPLES)


def make_tensors(
    words: Path,
    directory: Path,
    preprocess: Preprocess,
    policy: LabelPolicy,
    processes: int = 1,
    part: Part = WHOLE,
) -> pl.DataFrame:
    """Prepare a part of an LMDB's words in `directory`: w{W}.npy, samples.parquet, contract.json. Returns the samples.

    The rows of a width are in LMDB order whatever `processes` is. contract.json is written last and lists every tensor
    file with its hash, so a directory without it is unfinished. Raises UserError as `Words` and `check_policy` do.
    """
    with Words(words) as reader:
        check_policy(reader, policy)
        indices = part.indices(len(reader))
    with scratch_directory(directory) as scratch:
        prepared = _prepared(words, indices, preprocess, policy, processes)
        samples = _write_tensors(progress(prepared, total=len(indices), what="tensors"), scratch)
        files = _publish(scratch, directory)
    write_table(directory / "samples.parquet", samples)
    contract = {
        "layout": f"float32 [N, {preprocess.channels}, {preprocess.rule.height}, W], one file per W",
        "normalisation": NORMALISATION,
        **preprocess.describe(),
        "label_policy": asdict(policy),
        "part": str(part),
        "samples": len(indices),
        "files": files,
    }
    write_json(directory / "contract.json", contract)
    return samples


def _publish(scratch: Path, directory: Path) -> dict[str, dict[str, Any]]:
    """Replace the tensor files of `directory` by those in `scratch`; return the `files` of a contract."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "contract.json").unlink(missing_ok=True)
    for stale in directory.glob("w*.npy"):
        stale.unlink()
    return {path.name: file_facts(path.replace(directory / path.name)) for path in list(scratch.iterdir())}


class TensorBatch(NamedTuple):
    """Words of one width that are not in memory yet; `tensor` is the file of that width, mapped."""

    indices: list[int]
    rows: npt.NDArray[np.int64]
    tensor: Tensor

    def load(self) -> Tensor:
        """float32 [n, channels, height, W]."""
        return self.tensor[self.rows]


class _Folder:
    """The tensors of one part. A file is hashed when a word in it is asked for, and only once."""

    def __init__(self, path: Path, preprocess: Preprocess) -> None:
        self.path = path
        self._files: dict[str, Any] = check_contract(path, preprocess)["files"]
        self._checked: set[str] = set()
        for name in self._files:
            if not (path / name).is_file():
                raise UserError(f"{path / name}: listed in contract.json but missing; {self._remedy}")
        if not (path / "samples.parquet").is_file():
            raise UserError(f"{path}: has no samples.parquet; {self._remedy}")
        self.samples = pl.read_parquet(path / "samples.parquet")

    @property
    def _remedy(self) -> str:
        return f"delete {self.path}/contract.json and run again to remake the tensors"

    def by_width(self, limit: int) -> list[tuple[int, pl.DataFrame]]:
        """The readable ones of the first `limit` words, by tensor width, narrow first. Their files are checked."""
        readable = self.samples[:limit].filter(pl.col("row").is_not_null()).sort("tensor_width", "index")
        groups = [(width, group) for (width,), group in readable.group_by("tensor_width", maintain_order=True)]
        for name in (f"w{width}.npy" for width, _ in groups):
            if name not in self._checked and file_facts(self.path / name) != self._files.get(name):
                raise UserError(f"{self.path / name}: is not the file that contract.json lists; {self._remedy}")
            self._checked.add(name)
        return groups


class TensorSet:
    """The tensors of one part, or of several in order. Contracts are checked on opening, files before they are read.

    Raises UserError where a file is missing or altered, where this environment prepares images differently, or where
    the parts do not follow one another.
    """

    def __init__(self, folders: Path | Sequence[Path], preprocess: Preprocess) -> None:
        paths = [folders] if isinstance(folders, Path) else folders
        self._folders = [_Folder(path, preprocess) for path in paths]
        self.samples = pl.concat([folder.samples for folder in self._folders])
        steps = self.samples["index"].diff().drop_nulls()
        if not (steps == 1).all():
            named = ", ".join(map(str, paths))
            raise UserError(f"{named}: do not hold words one after the other; name the parts of a dataset in order")

    def batches(self, size: int, limit: int | None = None) -> Iterator[tuple[list[int], Tensor]]:
        """Yield (indices, float32 [n, channels, height, W]) with n <= size, in the order of `unread`."""
        return ((batch.indices, batch.load()) for batch in self.unread(at_most(size), limit))

    def unread(self, batch_of: BatchOf, limit: int | None = None) -> Iterator[TensorBatch]:
        """Yield batches of at most batch_of(width) words of equal width: part by part, narrow first, in LMDB order.

        `limit`: read only that many words, the first ones.
        """
        left = self.samples.height if limit is None else limit
        work = []
        for folder in self._folders:
            work += [(folder, width, batch_of(width), words) for width, words in folder.by_width(left)]
            left = max(0, left - folder.samples.height)
        for folder, width, size, words in work:
            tensor = np.load(folder.path / f"w{width}.npy", mmap_mode="r")
            for batch in words.iter_slices(size):
                yield TensorBatch(batch["index"].to_list(), batch["row"].to_numpy(), tensor)


def check_contract(directory: Path, preprocess: Preprocess) -> dict[str, Any]:
    """Return the contract of `directory`, if `preprocess` prepares words here as it says.

    Raises UserError where the contract is missing, or names another rule or another canonical tensor.
    """
    contract: dict[str, Any] = read_json(directory / "contract.json")
    for key, here in preprocess.describe().items():
        if contract.get(key) != here:
            raise UserError(
                f"{directory / 'contract.json'}: {key} is {contract.get(key)}, but this stage would prepare words "
                f"with {here}; delete the file and run again, or use the environment that made it"
            )
    return contract


def write_recipe_layout(tensors: TensorSet, directory: Path) -> list[str]:
    """Write the CRNN_Dynamic recipe's files: test_{i}.npy, float32 [1, 1, 32, W], and label.txt (`test_{i}.npy:label`).

    Labels are lower-cased, as there. Words that have no tensor, no label or one of several lines are left out; their
    keys are returned.
    """
    lines: dict[int, str] = {}
    labels = dict(tensors.samples.select("index", "label").iter_rows())
    directory.mkdir(parents=True, exist_ok=True)
    for (index,), tensor in tensors.batches(1):
        if labels[index] is not None and len(labels[index].splitlines()) <= 1:
            np.save(directory / f"test_{index}.npy", tensor)
            lines[index] = f"test_{index}.npy:{labels[index].lower()}\n"
    write_text(directory / "label.txt", "".join(lines[index] for index in sorted(lines)))
    return [key for index, key in tensors.samples.select("index", "key").iter_rows() if index not in lines]
