"""Devices and their toolchains: a folder per toolchain, whose `__init__` holds facts and imports no toolchain.

A runtime is two verbs, `build` files from a model and `load` them as a `Session` (`crnn.runtimes.runtime`). Adding a
device is adding a folder here (and an env and a config entry); `crnn.runtimes.registry` finds it. A toolchain is
imported when a verb is called, never before: each stage's env holds one toolchain.
"""
