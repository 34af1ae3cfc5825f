"""What the Ascend target consists of: shapes, chips, the ATC command line, the toolchain and the session.

`crnn.targets.ascend` puts them together. Only `toolchain` starts other programs, and only `session` imports ais_bench.
"""
