"""Huawei Ascend NPUs by ATC and ais_bench: shapes, chips, the ATC command line, the toolchain and the sessions.

`verbs` puts them together. Only `toolchain` starts other programs, and only `session` imports ais_bench.
"""

from crnn.runtimes.probe import CANN
from crnn.runtimes.runtime import Runtime

FILES = ("model.om", "conversion.json")
TOOLS = ("ais_bench", "aclruntime")

RUNTIMES = (
    Runtime(
        "ascend",
        "crnn.runtimes.ascend.verbs",
        FILES,
        TOOLS,
        device="npu",
        compiles_shapes=True,
        probes=CANN,
        comparison="msprobe compare -m offline_model -gp {onnx} -tp {build} -o compared",
    ),
)
