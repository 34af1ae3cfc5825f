"""Reads images of words with the recogniser in this folder.

python read.py [--json] word.png folder   a line per image: path, text, confidence, error, with tabs between
python read.py --self-test                reads the words in golden/ and names the first step that differs
"""

import argparse
import hashlib
import json
import os
import sys
from bisect import bisect_left
from pathlib import Path

os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(1 << 26))  # what claims more is no word, and takes gigabytes
import cv2
import numpy as np

HERE = Path(__file__).resolve().parent
FACTS = json.loads((HERE / "recogniser.json").read_text(encoding="utf-8"))
IMAGES, WIDTHS, BATCH, BLANK = FACTS["images"], FACTS["widths"], FACTS["batch"], FACTS["output"]["blank"]
CLASSES = [*FACTS["output"]["charset"][:BLANK], "", *FACTS["output"]["charset"][BLANK:]]


def decode(data):
    """1. The bytes of an image file to pixels: uint8 [H, W] gray, or [H, W, 3] blue, green, red."""
    mode = cv2.IMREAD_GRAYSCALE if IMAGES["channels"] == 1 else cv2.IMREAD_COLOR
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), mode) if data else None
    if pixels is None:
        raise ValueError("is no image that OpenCV reads")
    return pixels


def prepare(pixels):
    """2. Pixels to a tensor, float32 [channels, height, width]. Its width follows from the size of its own image alone;
    the word is resized to it or, with `pad`, to its true width (halves to the even number) and padded on the right."""
    height, width = pixels.shape[:2]
    ideal = width * IMAGES["height"] / height * WIDTHS["stretch"]
    tensor = WIDTHS["tensor"][min(bisect_left(WIDTHS["upto"], max(ideal, WIDTHS["pad"] or 0)), len(WIDTHS["upto"]) - 1)]
    filled = tensor if WIDTHS["pad"] is None else min(max(round(ideal), 1), tensor)
    area = height > IMAGES["height"] and IMAGES["interpolation"] == "opencv-area-cubic"
    resized = cv2.resize(pixels, (filled, IMAGES["height"]), interpolation=cv2.INTER_AREA if area else cv2.INTER_CUBIC)
    padded = np.pad(np.atleast_3d(resized), ((0, 0), (0, tensor - filled), (0, 0)), constant_values=IMAGES["padding"])
    values = (padded.astype(np.float32) / np.float32(255) - np.float32(IMAGES["mean"])) / np.float32(IMAGES["std"])
    return np.ascontiguousarray(values.transpose(2, 0, 1))


def spell(steps):
    """4. Log-probabilities [T, classes] to text and confidence: the best class of each step, repeats and blanks out."""
    best = steps.argmax(axis=1)
    kept = [place for t, place in enumerate(best) if place != BLANK and (t == 0 or place != best[t - 1])]
    return "".join(CLASSES[place] for place in kept), float(np.exp(steps.max(axis=1).sum(dtype=np.float64)))


def read(infer, files):
    """Yield (file, text, confidence, error) of each, in order; words of one width share a call, up to `batch`."""
    for chunk in (files[start : start + 512] for start in range(0, len(files), 512)):
        found, waiting = {}, {}
        for file in chunk:
            try:
                tensor = prepare(decode(file.read_bytes()))
                waiting.setdefault(tensor.shape[2], []).append((file, tensor))
            except (OSError, ValueError, cv2.error) as error:
                found[file] = None, None, str(error).strip().splitlines()[0]
        for width, words in waiting.items():
            size = BATCH[str(width)] if isinstance(BATCH, dict) else BATCH
            for batch in (words[start : start + size] for start in range(0, len(words), size)):
                steps = infer(np.stack([tensor for _, tensor in batch]))
                found.update((file, (*spell(steps[:, n]), None)) for n, (file, _) in enumerate(batch))
        yield from ((file, *found[file]) for file in chunk)


def first_difference(infer):
    """The first step that reads a golden word otherwise than it was read; None where all are as they were."""
    for name, expected in FACTS["files"].items():
        if hashlib.sha256((HERE / name).read_bytes()).hexdigest() != expected:
            return f"files: {name} is not the one that recogniser.json names"
    for word in json.loads((HERE / "golden/words.json").read_text(encoding="utf-8")):
        pixels = decode((HERE / "golden" / word["file"]).read_bytes())
        for step, data in (("pixels", pixels), ("tensor", tensor := prepare(pixels))):
            if hashlib.sha256(data.tobytes()).hexdigest() != word[f"{step}_sha256"]:
                return f"{step}: {word['file']} comes out in another way"
        steps, kept = infer(tensor[None])[:, 0], word["log_probabilities"]
        if kept and np.abs(np.load(HERE / "golden" / kept) - steps).max() > 0.02 * np.abs(steps).max():
            return f"log-probabilities: those of {word['file']} are another model's"
        if spell(steps)[0] != word["text"]:
            return f"text: {word['file']} reads {spell(steps)[0]!r}, and was read {word['text']!r}"
    return None


# open_model


def main(doc=__doc__, opened=lambda: open_model(HERE, FACTS), read=read, differs=first_difference):
    """The command line, also of a cascade: its first member runs this with what the cascade does otherwise."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="*", type=Path)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--self-test", action="store_true")
    args, model = parser.parse_args(), opened()
    if args.self_test:
        sys.exit(f"differs: {found}" if (found := differs(model)) else print("every golden word is read as it was"))
    files, failed = [f for path in args.paths for f in (sorted(path.iterdir()) if path.is_dir() else [path])], False
    for row in read(model, files):
        named = dict(zip(("file", "text", "confidence", "error"), row))
        print(json.dumps(named, ensure_ascii=False, default=str) if args.json else "\t".join(map(str, row)))
        failed |= named["error"] is not None
    sys.exit(failed)


if __name__ == "__main__":
    main()
