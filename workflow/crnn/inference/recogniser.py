"""Reading images of words with a bundle, from Python.

    with Recogniser.open(Path("results/bundles/crnn/ort")) as recogniser:
        for reading in recogniser.read([Path("word.png"), image_bytes, pixels]):
            print(reading.text, reading.confidence)

Words go through the scheduler of the end-to-end clock: prepared on every core, in batches of equal width.
"""

import os
import queue
import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Self

import cv2
import numpy as np

from crnn.core.errors import UserError
from crnn.core.files import read_json, sha256
from crnn.data.buckets import at_most
from crnn.data.decode import Pixels
from crnn.data.preprocess import Preprocess
from crnn.inference.bundle import FACTS, FORMAT
from crnn.inference.cascade import Cascade, CascadeRun
from crnn.inference.scheduler import Reader
from crnn.inference.sources import CHUNK, WordBatches
from crnn.model.charset import Charset
from crnn.runtimes.registry import find_runtime

Image = Path | str | bytes | Pixels  # a file, its bytes, or uint8 [H, W] gray or [H, W, 3] blue, green, red
AHEAD = 1024  # readings that wait to be taken from a stream


@dataclass(frozen=True)
class Reading:
    """What was read of the image at a place of those given: a text with its confidence, or why there is none."""

    place: int
    text: str | None = None
    confidence: float | None = None
    error: str | None = None


class Recogniser:
    """A bundle, loaded. Close it, or use it in `with`.

    Threads may share one. They take turns, and a stream has its turn until it ends or is closed.
    """

    def __init__(self, folder: Path | str, threads: int | None = None) -> None:
        """threads: cores to use, by default all that this process may."""
        cores, facts = threads or len(os.sched_getaffinity(0)), read_facts(Path(folder))
        cascade, self._turn = facts.get("cascade", {}), threading.Lock()
        folders = [Path(folder, name) for name in cascade.get("members", [])]
        bundles = {each: read_facts(each) for each in folders} or {Path(folder): facts}
        with ExitStack() as opening:
            members = [_opened(each, told, cores, opening) for each, told in bundles.items()]
            self._sessions = opening.pop_all()
        self._cascade = Cascade(members, cascade.get("threshold", 0.0), cascade.get("keep", "last"))
        self._workers = max(cores, *(member.session.calls for member in members))

    @classmethod
    def open(cls, folder: Path | str, threads: int | None = None) -> Self:
        """Load a bundle. Raises UserError where it is not whole, or this machine cannot run it."""
        return cls(folder, threads)

    def read(self, images: Iterable[Image]) -> list[Reading]:
        """Read images; their readings are in the order of the images."""
        return sorted(self.stream(images), key=lambda reading: reading.place)

    def stream(self, images: Iterable[Image]) -> Iterator[Reading]:
        """Read images as they come; yield readings as they are had, which is not the order of the images.

        A word waits until there are enough of its width for a call, or until the images end.
        """
        stream = _Stream(images)
        reader = threading.Thread(target=self._run, args=(stream,), daemon=True)
        reader.start()
        try:
            while (found := stream.found.get()) is not None:
                if isinstance(found, BaseException):
                    raise found
                yield found
        finally:
            stream.stopped.set()
            reader.join()

    def _run(self, stream: "_Stream") -> None:
        end: BaseException | None = None
        try:
            with self._turn:
                run = CascadeRun(self._cascade, self._workers, lambda row: stream.hand_out(Reading(*row)))
                run.run(partial(_Images, stream))
        except BaseException as error:
            end = error
        stream.hand_out(end)

    def close(self) -> None:
        """Release the devices."""
        self._sessions.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_raised: object) -> None:
        self.close()


def read_facts(folder: Path) -> dict[str, Any]:
    """What a bundle's recogniser.json says.

    Raises UserError where a file of the bundle is missing, or another one than when it was made.
    """
    facts = read_json(folder / FACTS)
    if not isinstance(facts, dict) or facts.get("format") != FORMAT:
        raise UserError(f"{folder / FACTS}: is no recogniser of format {FORMAT}; make the bundle again")
    for name, expected in facts["files"].items():
        path = folder / name
        if not path.is_file() or sha256(path) != expected:
            raise UserError(f"{path}: is missing, or not the file that {FACTS} names; copy the bundle again")
    return facts


def _opened(folder: Path, facts: dict[str, Any], cores: int, opening: ExitStack) -> Reader:
    runtime, batch = facts["runtime"], facts["batch"]
    model = folder / facts["model_file"]
    session = find_runtime(runtime["name"]).load(model, runtime["options"], cores, cores)
    opening.callback(session.close)
    batch_of = (lambda width: batch[str(width)]) if isinstance(batch, dict) else at_most(batch)
    return Reader(Preprocess.from_settings(facts["rule"]), session, Charset(facts["output"]["charset"]), batch_of)


class _Stream:
    """A caller's images, those of them that are under way, and what was found."""

    def __init__(self, images: Iterable[Image]) -> None:
        self.found: queue.Queue[Reading | BaseException | None] = queue.Queue(AHEAD)
        self.stopped = threading.Event()
        self.under_way: dict[int, Image] = {}
        self._images = enumerate(images)

    def take(self) -> list[int]:
        """The places of the next images; none where they have ended, or nobody waits for them any more."""
        taken = {} if self.stopped.is_set() else dict(islice(self._images, CHUNK))
        self.under_way.update(taken)
        return list(taken)

    def hand_out(self, found: Reading | BaseException | None) -> None:
        """Let the caller have a reading, an error, or the end; whoever does not take any more is not waited for."""
        if isinstance(found, Reading):
            del self.under_way[found.place]
        while not self.stopped.is_set():
            with suppress(queue.Full):
                self.found.put(found, timeout=0.1)
                break


class _Images(WordBatches):
    """The images of a stream, all or those that another member hands on.

    Of all of them, what cannot be read is handed out with the reason; what is handed on is left at what was read.
    """

    def __init__(self, stream: _Stream, member: Reader, handed: Iterator[list[int]] | None) -> None:
        super().__init__(member)
        self._stream, self._handed = stream, handed

    def chunks(self) -> Iterator[list[tuple[int, Image]]]:
        for places in self._handed or iter(self._stream.take, []):
            if not self._stream.stopped.is_set():
                yield [(place, self._stream.under_way[place]) for place in places]

    def pixels(self, place: int, image: Image) -> Pixels | None:
        try:
            return self._pixels(image)
        except (OSError, TypeError, ValueError, UserError) as error:
            if self._handed is None:
                self._stream.hand_out(Reading(place, error=str(error)))
            return None

    def _pixels(self, image: Image) -> Pixels:
        """Gray [H, W] or blue, green, red [H, W, 3], as the recogniser takes them. Raises UserError, OSError."""
        if isinstance(image, np.ndarray):
            return in_channels(image, self._preprocess.channels)
        data = image if isinstance(image, bytes) else Path(image).read_bytes()
        pixels = self._preprocess.decode(data)
        if pixels is None:
            raise UserError("is no whole image" if data else "is empty")
        return pixels


def in_channels(image: Pixels, channels: int) -> Pixels:
    """uint8 [H, W] or [H, W, 3] as the other, where it has to be. Raises UserError on anything else."""
    form = image.shape[2:] if image.ndim > 1 and image.size and image.dtype == np.uint8 else None
    if form not in ((), (3,)):
        raise UserError(f"is an array {image.dtype} {list(image.shape)}; expected uint8 [H, W] or [H, W, 3]")
    if form == () and channels == 3:
        return np.repeat(image[:, :, None], 3, axis=2)
    return image if channels == 3 or form == () else np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), np.uint8)
