"""What the Ascend target consists of: shapes, chips, the ATC command line, the toolchain and the session.

`crnn.runtimes.ascend.verbs` puts them together. Only `toolchain` starts other programs, and only `session` imports
ais_bench.
"""

from crnn.runtimes.runtime import Runtime

FILES = ("model.om", "conversion.json")

RUNTIMES = (
    Runtime(
        "ascend",
        "crnn.runtimes.ascend.verbs",
        FILES,
        tools=("ais_bench", "aclruntime"),
        device="npu",
        compiles_shapes=True,
    ),
)
