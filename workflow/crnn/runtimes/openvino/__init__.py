"""OpenVINO on the CPU."""

from crnn.runtimes.runtime import Runtime

FILES = ("model.xml", "model.bin")
PRECISIONS = {"fp32": "fp32", "fp32-winograd": "winograd", "bf16": "fp32", "int8": "uint8", "int8-bf16": "uint8"}

RUNTIMES = (Runtime("openvino", "crnn.runtimes.openvino.cpu", FILES, tools=("openvino",), precisions=PRECISIONS),)
