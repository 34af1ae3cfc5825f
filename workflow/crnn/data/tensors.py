"""The tensors of a dataset: every word prepared once, as .npy files by width, and read again by batch.

`contract.json` pins how words were prepared, and `TensorSet` holds this environment against it.

Not here: how an image becomes a tensor (`crnn.data.preprocess`), what a label means (`crnn.data.labels`).
"""

import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from crnn.core.command import progress
from crnn.core.errors import UserError
from crnn.core.files import atomic_path, file_facts, read_json, scratch_directory, write_json
from crnn.core.workers import Workers
from crnn.data.buckets import BatchOf, at_most
from crnn.data.labels import LabelPolicy
from crnn.data.lmdb import Word, Words
from crnn.data.preprocess import NORMALISATION, Pixels, Preprocess, Tensor, normalise
from crnn.data.shards import Shard, ShardFolder, join_contracts, join_samples
from crnn.data.widths import HEIGHT

SHARDS = "shards"  # folder of the shards' own folders, where a dataset is split
CHUNK = 512  # words a worker prepares at a time; bounds what is in memory, not what is computed

Status = Literal["ok", "missing-image", "corrupt-image", "missing-label", "empty-label", "outside-charset"]


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
    status: Status


def _label_status(label: str | None, text: str, outside: str, policy: LabelPolicy) -> Status:
    if label is None:
        return "missing-label"
    if outside and policy.outside == "reject":
        return "outside-charset"
    return "ok" if text else "empty-label"


def prepare(word: Word, preprocess: Preprocess, policy: LabelPolicy) -> tuple[Sample, Pixels | None]:
    """Read one LMDB record: its row of samples.parquet, and uint8 [32, W] where the image can be read."""
    label = None if word.label is None else word.label.decode("utf-8", "replace")
    text, outside = policy.apply(label or "")
    gray = preprocess.decode(word.image) if word.image else None
    if gray is None:
        status: Status = "corrupt-image" if word.image else "missing-image"
        return Sample(word.index, word.key, label, text, outside, 0, 0, 0, status), None
    pixels = preprocess.resize(gray)
    height, width = gray.shape
    status = _label_status(label, text, outside, policy)
    return Sample(word.index, word.key, label, text, outside, width, height, pixels.shape[1], status), pixels


# --- a dataset ---------------------------------------------------------------------------------------------


class _NpyAppender:
    """Grows one .npy file of float32 [N, 1, 32, W] by rows; the header gets its final N on closing."""

    def __init__(self, path: Path, width: int) -> None:
        self._stream = path.open("wb")
        self._width = width
        self.rows = 0
        self._write_header()

    def _write_header(self) -> None:
        # NumPy pads the header so that the first axis can grow in place.
        shape = (self.rows, 1, HEIGHT, self._width)
        header = {"descr": "<f4", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(self._stream, header)

    def append(self, pixels: Pixels) -> int:
        self._stream.write(normalise(pixels).tobytes())
        self.rows += 1
        return self.rows - 1

    def extend(self, rows: Tensor) -> None:
        """Append float32 [n, 1, 32, W]; a file that is mapped into memory is copied without being held there."""
        rows.tofile(self._stream)
        self.rows += len(rows)

    def close(self) -> None:
        self._stream.seek(0)
        self._write_header()
        self._stream.flush()
        os.fsync(self._stream.fileno())
        self._stream.close()


@dataclass(frozen=True)
class _PrepareChunk:
    words: Path
    preprocess: Preprocess
    policy: LabelPolicy

    def __call__(self, indices: range) -> list[tuple[Sample, Pixels | None]]:
        with Words(self.words) as reader:
            return [prepare(reader[index], self.preprocess, self.policy) for index in indices]


def _prepared(
    words: Path, indices: range, preprocess: Preprocess, policy: LabelPolicy, processes: int
) -> Iterator[tuple[Sample, Pixels | None]]:
    chunks = [indices[start : start + CHUNK] for start in range(0, len(indices), CHUNK)]
    apart = min(processes, len(chunks))  # one process is this one
    with Workers(_PrepareChunk(words, preprocess, policy), apart if apart > 1 else 0) as workers:
        yield from chain.from_iterable(workers.map(chunks))


def _write_tensors(prepared: Iterable[tuple[Sample, Pixels | None]], directory: Path) -> tuple[pl.DataFrame, list[int]]:
    """Append each word to its width's file; return samples (with `row`) and the widths met."""
    appenders: dict[int, _NpyAppender] = {}
    rows: list[dict[str, Any]] = []
    for sample, pixels in prepared:
        row = None
        if pixels is not None:
            width = pixels.shape[1]
            if width not in appenders:
                appenders[width] = _NpyAppender(directory / f"w{width}.npy", width)
            row = appenders[width].append(pixels)
        rows.append({**asdict(sample), "row": row})
    for appender in appenders.values():
        appender.close()
    schema = {"index": pl.Int64, "label": pl.String, "row": pl.Int64}
    return pl.DataFrame(rows, schema_overrides=schema, infer_schema_length=None), sorted(appenders)


def make_tensors(
    words: Path,
    directory: Path,
    preprocess: Preprocess,
    policy: LabelPolicy,
    processes: int = 1,
    shard: Shard | None = None,
) -> pl.DataFrame:
    """Prepare the words of an LMDB into `directory`: w{W}.npy, samples.parquet, contract.json. Returns the samples.

    Every word, or those of `shard`, which keep their index. The rows of a width are in LMDB order whatever
    `processes` is. contract.json is written last and lists every tensor file with its hash, so a directory without it
    is unfinished. Raises UserError as `Words` does, and where the shard is not within the LMDB.
    """
    indices = _indices(words, shard)
    with scratch_directory(directory) as scratch:
        prepared = _prepared(words, indices, preprocess, policy, processes)
        samples, widths = _write_tensors(progress(prepared, total=len(indices), what="tensors"), scratch)
        shutil.rmtree(directory / SHARDS, ignore_errors=True)
        files = _publish(scratch, directory, widths, samples)
    contract = {
        "layout": f"float32 [N, 1, {HEIGHT}, W], one file per W",
        "normalisation": NORMALISATION,
        **preprocess.describe(),
        "label_policy": asdict(policy),
        "samples": len(indices),
        "files": files,
    }
    write_json(directory / "contract.json", contract)
    return samples


def _indices(words: Path, shard: Shard | None) -> range:
    with Words(words) as reader:
        count = len(reader)
    if shard is None:
        return range(1, count + 1)
    if shard.last > count:
        raise UserError(f"{words}: has {count} words, so shard {shard.name} is not of it; plan the shards again")
    return shard.indices


def _clear(directory: Path) -> None:
    """Remove a folder's contract, and then its own tensor files."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "contract.json").unlink(missing_ok=True)
    for stale in directory.glob("w*.npy"):
        stale.unlink()


def _publish(scratch: Path, directory: Path, widths: Iterable[int], samples: pl.DataFrame) -> dict[str, dict[str, Any]]:
    """Move w{W}.npy of every width to `directory`, write the samples beside them; return the `files` of a contract."""
    _clear(directory)
    files = {}
    for width in widths:
        path = (scratch / f"w{width}.npy").replace(directory / f"w{width}.npy")
        files[path.name] = file_facts(path)
    with atomic_path(directory / "samples.parquet") as temporary:
        samples.write_parquet(temporary)
    return files


def merge_tensors(shards: list[ShardFolder], directory: Path) -> pl.DataFrame:
    """Join the tensors of all shards in `directory`, which holds their folders: samples.parquet, contract.json.

    No tensor is copied: the contract lists the files of the shards, and `TensorSet` reads them as one. The samples are
    returned; they are those of the whole dataset prepared at once, byte for byte. Raises UserError as
    `crnn.data.shards.ShardFolder.table` and `crnn.data.shards.join_contracts` do.
    """
    samples = join_samples(shard.table("samples.parquet") for shard in shards)
    contract = join_contracts(shards, directory)
    _clear(directory)
    with atomic_path(directory / "samples.parquet") as temporary:
        samples.write_parquet(temporary)
    write_json(directory / "contract.json", contract)
    return samples


class _Rows:
    """The rows of one width, whichever files they lie in; asked for in order, each file is opened once."""

    def __init__(self, width: int, files: list[tuple[Path, dict[str, Any]]]) -> None:
        self._shape = (1, HEIGHT, width)
        self._paths = [path for path, _ in files]
        # A header is shorter than a row, so the number of rows follows from the size.
        self._ends = np.cumsum([facts["bytes"] // (4 * HEIGHT * width) for _, facts in files])
        self._open: tuple[int, Tensor] | None = None

    def _file_of(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        return np.searchsorted(self._ends, rows, side="right")

    def _tensor(self, number: int) -> Tensor:
        opened = self._open
        if opened is None or opened[0] != number:  # two threads may open a file twice, which does no harm
            opened = self._open = (number, np.load(self._paths[number], mmap_mode="r"))
        return opened[1]

    def files_with(self, rows: npt.NDArray[np.int64]) -> list[Path]:
        """The files that these rows lie in."""
        return [self._paths[number] for number in np.unique(self._file_of(rows))]

    def take(self, rows: npt.NDArray[np.int64]) -> Tensor:
        """float32 [n, 1, 32, W] of these rows."""
        taken = np.empty((len(rows), *self._shape), np.float32)
        numbers = self._file_of(rows)
        for number in np.unique(numbers).tolist():
            tensor, here = self._tensor(number), numbers == number
            taken[here] = tensor[rows[here] - (self._ends[number] - len(tensor))]
        return taken


class TensorBatch(NamedTuple):
    """Words of one width that are not in memory yet."""

    indices: list[int]
    rows: npt.NDArray[np.int64]
    source: _Rows

    def load(self) -> Tensor:
        """float32 [n, 1, 32, W]."""
        return self.source.take(self.rows)


class TensorSet:
    """The tensors of a dataset, opened for reading after their contract has been checked.

    A file is hashed when a word in it is asked for, once, and before the first word is given out: who reads the first
    words of a dataset in shards pays for the first shard. Raises UserError where a file is missing or altered, or
    where this environment prepares images differently.
    """

    def __init__(self, directory: Path, preprocess: Preprocess) -> None:
        self.directory = directory
        self.contract = check_contract(directory, preprocess)
        for name in self.contract["files"]:
            if not (directory / name).is_file():
                raise UserError(
                    f"{directory / name}: listed in contract.json but missing; {self._remedy(directory / name)}"
                )
        if not (directory / "samples.parquet").is_file():
            raise UserError(f"{directory}: has no samples.parquet; {self._remedy(directory / 'samples.parquet')}")
        self.samples = pl.read_parquet(directory / "samples.parquet")
        self._checked: set[Path] = set()

    def _remedy(self, path: Path) -> str:
        contracts = dict.fromkeys(f"{folder}/contract.json" for folder in (path.parent, self.directory))
        return f"delete {' and '.join(contracts)} and run again to remake the tensors"

    def check_file(self, path: Path) -> None:
        """Raise UserError where a file is not the one that the contract lists; hash it no more than once."""
        if path not in self._checked:
            if file_facts(path) != self.contract["files"][path.relative_to(self.directory).as_posix()]:
                raise UserError(f"{path}: is not the file that contract.json lists; {self._remedy(path)}")
            self._checked.add(path)

    def files_of(self, width: int) -> list[tuple[Path, dict[str, Any]]]:
        """The files of a width with their sha256 and bytes, in the order of their rows."""
        files = sorted(self.contract["files"].items())
        return [(self.directory / name, facts) for name, facts in files if Path(name).name == f"w{width}.npy"]

    def batches(self, size: int, limit: int | None = None) -> Iterator[tuple[list[int], Tensor]]:
        """Yield (indices, float32 [n, 1, 32, W]) with n <= size; as `unread`, read."""
        return ((batch.indices, batch.load()) for batch in self.unread(at_most(size), limit))

    def unread(self, batch_of: BatchOf, limit: int | None = None) -> Iterator[TensorBatch]:
        """Yield batches of at most batch_of(width) words of equal width, narrow first, in LMDB order.

        `limit` keeps the first so many words of the dataset.
        """
        readable = self.samples[:limit].filter(pl.col("row").is_not_null()).sort("tensor_width", "index")
        groups = [
            (_Rows(width, self.files_of(width)), batch_of(width), group)
            for (width,), group in readable.group_by("tensor_width", maintain_order=True)
        ]
        for rows, _, group in groups:
            for path in rows.files_with(group["row"].to_numpy()):
                self.check_file(path)
        for rows, size, group in groups:
            for batch in group.iter_slices(size):
                yield TensorBatch(batch["index"].to_list(), batch["row"].to_numpy(), rows)


def write_whole_tensors(tensors: TensorSet, directory: Path) -> None:
    """Write tensors in shards as `make_tensors` would have made them in one piece, byte for byte.

    For readers of w{W}.npy that know nothing of shards. Raises UserError where a file is missing or altered.
    """
    widths = sorted(set(tensors.samples.filter(pl.col("row").is_not_null())["tensor_width"]))
    with scratch_directory(directory) as scratch:
        for width in progress(widths, total=len(widths), what="whole tensors", unit="widths"):
            appender = _NpyAppender(scratch / f"w{width}.npy", width)
            for path, _ in tensors.files_of(width):
                tensors.check_file(path)
                appender.extend(np.load(path, mmap_mode="r"))
            appender.close()
        files = _publish(scratch, directory, widths, tensors.samples)
    write_json(directory / "contract.json", {**tensors.contract, "files": files})


def check_contract(directory: Path, preprocess: Preprocess) -> dict[str, Any]:
    """Return the contract of `directory` after comparing it with what `preprocess` does here and now.

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

    Labels are lower-cased, as there. Words that have no tensor or no label are left out; their keys are returned.
    """
    lines: dict[int, str] = {}
    labels = dict(tensors.samples.select("index", "label").iter_rows())
    directory.mkdir(parents=True, exist_ok=True)
    for (index,), tensor in tensors.batches(1):
        if labels[index] is not None:
            np.save(directory / f"test_{index}.npy", tensor)
            lines[index] = f"test_{index}.npy:{labels[index].lower()}\n"
    with atomic_path(directory / "label.txt") as temporary:
        temporary.write_text("".join(lines[index] for index in sorted(lines)), encoding="utf-8")
    return [key for index, key in tensors.samples.select("index", "key").iter_rows() if index not in lines]
