"""What the rules say, read from their text: which stages run in which env."""

import re
from collections import defaultdict
from pathlib import Path

from crnn.runtimes.registry import known_runtimes
from engine.code_digest import Modules
from stage import stage_files

ROOT = Path(__file__).parents[1]
WORKFLOW = ROOT / "workflow"
ENVS = sorted(path.stem for path in (ROOT / "envs").glob("*.yaml"))
# Envs of devices that pin what cannot be beside the packages of the others, and so is not installed here.
ELSEWHERE = {"onnxruntime_cann", "onnxruntime_cuda", "torch_npu"}
INSTALLED = [name for name in ENVS if name not in ELSEWHERE]
# onstart asks the first, `make compare` runs the second, an application the third.
WITHOUT_RULE = {"check_toolchains", "compare_reports", "read"}
OF_CASCADES = ("onnxruntime", "openvino")  # what members of a cascade run on
REGISTRY = WORKFLOW / "crnn/runtimes/registry.py"  # what a stage imports that loads a runtime by its name


def unrolled(text: str) -> str:
    """A rule file with the rule of each stage in place of a loop over stages."""

    def rules(loop: re.Match[str]) -> str:
        stages = re.findall(r'"(\w+)":', loop[1])
        return "".join(loop[2].replace("{params.stage}", stage).replace("(stage)", f'("{stage}")') for stage in stages)

    return re.sub(r"^for stage, \w+ in (\{.+\})\.items\(\):\n((?: .*\n|\n)+)", rules, text, flags=re.MULTILINE)


def rule_blocks() -> list[str]:
    """The text of every rule, from the word `rule` to the next one's, or to the end of the file."""
    texts = [unrolled(path.read_text()) for path in [ROOT / "Snakefile", *sorted((ROOT / "rules").glob("*.smk"))]]
    return [
        block for text in texts for block in re.split(r"^(?= *(?:use rule|rule|checkpoint)\b)", text, flags=re.M)[1:]
    ]


def stage_of(block: str) -> str | None:
    """The stage that a rule's shell command runs."""
    found = re.search(r"(?<![\w/.-])crnn (\w+) +[-\\{]", block)
    return found and found[1]


def stage_file(stage: str) -> str:
    """A stage's file, relative to workflow/."""
    return stage_files()[stage].relative_to(WORKFLOW).as_posix()


def runtime_file(runtime: str) -> str:
    """The file of a runtime's verbs, relative to workflow/."""
    return known_runtimes()[runtime].module.replace(".", "/") + ".py"


def loaded_in(env: str) -> tuple[str, ...]:
    """The runtimes that stages load in an env."""
    return OF_CASCADES if env == "cascade" else (env,) if env in known_runtimes() else ()


def stages_by_env() -> dict[str, set[str]]:
    """Env → stages that its rules run. A rule that takes its env from the deployment's runtime runs in every one's."""
    found = defaultdict(set)
    for block in rule_blocks():
        stage, env = stage_of(block), re.search(r"conda:\s+(\S+)", block)
        if stage and env:
            named = re.search(r"envs/(\w+)\.yaml", env[1])
            for name in [named[1]] if named else known_runtimes():
                found[name].add(stage)
    return found


def sources_by_env() -> dict[str, set[str]]:
    """Env → source files that its stages start from, relative to workflow/.

    In an env that has a runtime's name, a stage that loads a runtime by its name loads that one; in the env of cascades
    those that run on the processor without PyTorch.
    """
    modules = Modules(WORKFLOW)
    found = {env: {stage_file(stage) for stage in stages} for env, stages in stages_by_env().items()}
    return {
        env: files | (set(map(runtime_file, loaded_in(env))) if REGISTRY in modules.closure(tuple(files)) else set())
        for env, files in found.items()
    }
