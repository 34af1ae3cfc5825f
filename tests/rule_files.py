"""What the rules say, read from their text: which stages run in which env."""

import re
from collections import defaultdict
from pathlib import Path

from engine.targets import declared_targets

ROOT = Path(__file__).parents[1]
STAGES = ROOT / "workflow"
ENVS = sorted(path.stem for path in (ROOT / "envs").glob("*.yaml"))
# Envs of devices that pin what cannot be beside the packages of the others, and so is not installed here.
ELSEWHERE = {"onnxruntime_cann", "onnxruntime_cuda", "torch_npu"}
INSTALLED = [name for name in ENVS if name not in ELSEWHERE]


def rule_blocks() -> list[str]:
    """The text of every rule, from the word `rule` to the next one's, or to the end of the file."""
    texts = [path.read_text() for path in [ROOT / "Snakefile", *sorted((ROOT / "rules").glob("*.smk"))]]
    return [
        block for text in texts for block in re.split(r"^(?= *(?:use rule|rule|checkpoint)\b)", text, flags=re.M)[1:]
    ]


def stage_of(block: str) -> str | None:
    found = re.search(r'stage=stage\("(\w+)"\)', block)
    return found and found[1]


def sources_by_env() -> dict[str, set[str]]:
    """Env → source files of the stages that its rules run, relative to workflow/.

    A rule that takes its env from the deployment's runtime runs in every runtime's, with that runtime's module.
    """
    found = defaultdict(set)
    for block in rule_blocks():
        stage, env = stage_of(block), re.search(r"conda:\s+(\S+)", block)
        if stage is None or env is None:
            continue
        named = re.search(r"envs/(\w+)\.yaml", env[1])
        if named:
            found[named[1]] |= {f"{stage}.py", *re.findall(r'"(crnn/runtimes/\w+\.py)"', block)}
        else:
            for runtime in declared_targets(STAGES / "crnn" / "targets"):
                found[runtime] |= {f"{stage}.py", f"crnn/runtimes/{runtime}.py"}
    return found
