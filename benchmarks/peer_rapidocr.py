"""RapidOCR's own recogniser as a peer of peers.py: runs in an environment of its own, and needs nothing of this one.

Reads images (a length of four bytes, little endian, before each) from the file that it is given, and answers every line
on its input with the seconds of a pass over them and what was read.
"""

import json
import os
import struct
import sys
import time

import cv2
import numpy as np
from rapidocr_onnxruntime import RapidOCR


def images(path: str) -> list[bytes]:
    found = []
    with open(path, "rb") as stream:  # noqa: PTH123
        while head := stream.read(4):
            found.append(stream.read(struct.unpack("<I", head)[0]))
    return found


def peak_mib() -> float:
    with open("/proc/self/status") as stream:  # noqa: PTH123
        return next(int(line.split()[1]) for line in stream if line.startswith("VmHWM")) / 1024


def main() -> None:
    encoded, recognise = images(sys.argv[1]), RapidOCR().text_rec
    for _ in sys.stdin:
        started, used = time.perf_counter(), time.process_time()
        pixels = [cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) for data in encoded]
        found, _seconds = recognise(pixels)
        seconds, processor = time.perf_counter() - started, time.process_time() - used
        texts = [(text, float(confidence)) for text, confidence, *_ in found]
        answer = {"seconds": seconds, "processor": processor, "peak_mib": peak_mib(), "texts": texts}
        os.write(sys.stdout.fileno(), json.dumps(answer).encode() + b"\n")


if __name__ == "__main__":
    main()
