"""What makes a job's output besides its inputs and options: modules of this repository, and tools; a text for each.

Snakemake compares a rule's params as texts and prints those that are new, so a text names what changed:
`crnn/data/tensors.py 1a2b3c4d5e6f7a8b`, `onnxruntime 1.32.0`.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crnn.runtimes.runtime import Runtime
from engine.code_digest import Modules
from engine.tool_versions import tool_versions

Params = dict[str, Any]
FilesOf = Callable[[Runtime], tuple[str, ...]]


@dataclass(frozen=True)
class Makers:
    """The makers of every stage. stages: name → file; runtimes: those in use; envs: their folder, under conda."""

    modules: Modules
    stages: Mapping[str, Path]
    runtimes: Mapping[str, Runtime]
    envs: Path | None = None

    def texts(self, stage: str, env: str, runtime: Runtime | None = None, files: tuple[str, ...] = ()) -> list[str]:
        """Modules and tools of a stage; with those of a runtime, which is loaded by name, and of other `files`."""
        entry = [self.stages[stage].relative_to(self.modules.root).as_posix(), *files]
        entry += [runtime.module.replace(".", "/") + ".py"] if runtime else []
        tools = tool_versions(self.modules.packages(*entry), runtime, self.envs / f"{env}.yaml" if self.envs else None)
        return [f"{name} {version}" for name, version in [*self.modules.digests(*entry).items(), *tools.items()]]

    def params(self, stage: str, env: str, runtime: Runtime | None = None, files: tuple[str, ...] = ()) -> Params:
        """The texts by names that a rule can give its params."""
        return named(self.texts(stage, env, runtime, files))

    def params_on(self, stage: str, runtime_of: Callable[[Any], str], files: FilesOf = lambda _: ()) -> Params:
        """The same of a stage that runs on the runtime of the job, which `runtime_of` finds by its wildcards.

        What a runtime adds has numbered places. files: others that the stage reads on a runtime.
        """
        shared, added = self.on_runtimes(stage, files)

        def place(number: int) -> Callable[[Any], str]:
            return lambda wildcards: added[runtime_of(wildcards)][number]

        places = range(len(next(iter(added.values()))))
        return {**named(shared), **{f"runtime_{number}": place(number) for number in places}}

    def on_runtimes(self, stage: str, files: FilesOf = lambda _: ()) -> tuple[list[str], dict[str, list[str]]]:
        """The texts of a stage that are the same on every runtime in use, and runtime → those that it adds.

        Each adds as many, for empty ones fill up: a rule has as many params on every runtime. One at least is empty on
        all, so that more of them change nothing.
        """
        every = {name: self.texts(stage, name, runtime, files(runtime)) for name, runtime in self.runtimes.items()}
        shared = [text for text in next(iter(every.values())) if all(text in texts for texts in every.values())]
        added = {name: [text for text in texts if text not in shared] for name, texts in every.items()}
        most = max(map(len, added.values())) + 1
        return shared, {name: texts + [""] * (most - len(texts)) for name, texts in added.items()}


def named(texts: list[str]) -> dict[str, str]:
    """Texts by identifiers made of them."""
    return {re.sub(r"\W", "_", text): text for text in texts}
