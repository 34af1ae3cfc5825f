"""Checking a config: against its schema, and then for what no schema can say; with errors a person can act on."""

import copy
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from crnn.core.errors import UserError
from crnn.data.labels import LabelPolicy
from crnn.model.charset import Charset
from crnn.model.contract import Input
from crnn.model.precision import VARIANTS, Variant
from crnn.runtimes.runtime import Runtime

Config = dict[str, Any]

MODEL_SOURCES = ("checkpoint", "onnx")  # of a model
SOURCES = ("lmdb", "images", "iiit5k", "sample", "evaluation")  # of a dataset; the first that an entry has is used
OWN_WORDS = ("calibration", "tuning", "golden")  # datasets that the workflow makes for itself
STAGE_READERS = ("raw", "fixed", "fixed.")  # what reads words besides deployments begins like this
MOST_INLINE = 64 * 1024  # bytes of a charset that may stand on a command line, which takes 128 KiB
# Keys that hold paths of the user's.
PATHS = ("lmdb", "folder", "labels", "archive", "evaluation", "checkpoint", "onnx", "file", "previous", "start")
PATH_LISTS = ("fonts", "lexicons")
RENAMED = {
    "shard_words": "parts, the number of parts that the words are divided into",
    "lanes": "calls",
    "bidirectional": "shi",
}
# What the schema's bounds ask for.
BOUNDS = {
    "minimum": "at least {}",
    "minItems": "at least {} items",
    "maximum": "at most {}",
    "maxItems": "at most {} items",
    "exclusiveMinimum": "more than {}",
    "minLength": "a text that is not empty",
}


class ConfigError(ValueError):
    """Every fault of a config, one line each."""

    def __init__(self, faults: Iterable[str]) -> None:
        super().__init__("the configuration has faults:\n" + "\n".join(f"  - {fault}" for fault in faults))


def drop_nulls(value: Any) -> Any:
    """Remove keys whose value is null, at every depth: how an overlay takes an entry away."""
    if isinstance(value, dict):
        return {key: drop_nulls(item) for key, item in value.items() if item is not None}
    return value


def picked(entry: Config, *names: str) -> Config:
    """Those of some keys that an entry has."""
    return {name: entry[name] for name in names if name in entry}


def with_plain_paths(config: Config) -> Config:
    """A copy with one spelling for each path: Snakemake takes `words/` and `words` for two."""
    plain = copy.deepcopy(config)
    for _, holder, place in _paths_in(plain):
        holder[place] = str(Path(holder[place]))
    return plain


def _paths_in(value: Any, key: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Dotted key of every path, and the mapping or list that holds it, and its place there."""
    for name, item in value.items() if isinstance(value, dict) else ():
        inner = f"{key}.{name}".lstrip(".")
        if name in PATHS and isinstance(item, str) and item:
            yield inner, value, name
        elif name in PATH_LISTS and isinstance(item, list):
            yield from ((inner, item, place) for place, path in enumerate(item) if isinstance(path, str))
        elif name not in ("deployments", "labels"):  # which hold no paths of the workflow's
            yield from _paths_in(item, inner)


def check_schema(config: Config, schema: Config) -> None:
    """Raise ConfigError listing every place where `config` breaks `schema`: the key, its value and what is allowed."""
    errors = sorted(Draft202012Validator(schema).iter_errors(config), key=lambda error: list(map(str, error.path)))
    if errors:
        raise ConfigError(dict.fromkeys(map(_explain, errors)))  # each missing key is an error that names them all


def _explain(error: ValidationError) -> str:
    key = ".".join(map(str, error.absolute_path)) or "the configuration"
    rule = str(error.validator)
    value: Any = error.instance
    schema: Any = error.schema
    allowed: Any = error.validator_value
    match rule:
        case "enum" if isinstance(value, str) and value in RENAMED:
            return f"{key}: {value} is now {RENAMED[value]}"
        case "additionalProperties":
            known = schema.get("properties", {})
            unknown = sorted(map(str, set(value) - set(known)))
            if unknown[0] in RENAMED:
                return f"{key}: the key {unknown[0]!r} is now {RENAMED[unknown[0]]}"
            return f"{key}: unknown key {', '.join(map(repr, unknown))}; allowed: {', '.join(known)}"
        case "required":
            return f"{key}: missing key {', '.join(map(repr, sorted(set(allowed) - set(value))))}"
        case "pattern":
            return f"{key}: {value!r} is not a valid name or value; expected a match of {allowed}"
        case "minProperties":
            return f"{key}: is empty; expected at least {allowed} entry"
        case "type" if "string" in allowed and isinstance(value, bool | int | float):
            return f"{key} is {value!r}, as YAML reads it; expected a text, so put it in quotes"
        case "enum":
            expected = f"one of {', '.join(map(str, allowed))}"
        case "type":
            expected = f"a value of type {allowed if isinstance(allowed, str) else ' or '.join(allowed)}"
        case _:
            expected = BOUNDS[rule].format(allowed) if rule in BOUNDS else error.message
    meaning = f" ({schema['description']})" if "description" in schema else ""
    return f"{key} is {value!r}; expected {expected}{meaning}"


def check_encoding(config: Config, encoding: str) -> None:
    """Raise ConfigError where the environment's encoding cannot pass on what is in the config."""
    if encoding != "utf-8" and not str(config).isascii():
        raise ConfigError([f"it is not all ASCII, and this environment is {encoding}; set PYTHONUTF8=1"])


def check_meaning(config: Config, runtimes: Mapping[str, Runtime], root: Path, results: str = "results") -> None:
    """Raise ConfigError where a config with its defaults asks for what does not exist, cannot be made, or is not there.

    Relative paths start from the working directory; checkpoints also from `root`, where the shipped ones are. What
    `training` names is left to the rules that read it: a report needs none of it.
    """
    faults = [
        *_dataset_faults(config),
        *_model_faults(config),
        *_deployment_faults(config, runtimes),
        *_planning_faults(config),
        *_training_faults(config),
        *_policy_faults(config),
        *_file_faults(config, root, results),
    ]
    if all("skip" in deployment for deployment in config["deployments"].values()):
        faults.append("deployments: every one has skip; a report needs one that is run")
    if faults:
        raise ConfigError(faults)


def _dataset_faults(config: Config) -> Iterator[str]:
    for name, entry in config["datasets"].items():
        given = picked(entry, *SOURCES)
        if name in OWN_WORDS:
            yield f"datasets.{name}: the workflow makes words of that name for itself; expected another name"
        if not given:
            yield f"datasets.{name}: has no words; expected one source of {', '.join(SOURCES)}"
        if len(set(given) - {"lmdb"}) > 1:
            yield f"datasets.{name}: has {' and '.join(given)}; expected one source (and at most an lmdb beside it)"
        try:
            one_group = re.compile(names := entry.get("images", {}).get("names", "()")).groups == 1
        except re.error:
            one_group = False
        if not one_group:
            yield f"datasets.{name}.images.names is {names}; expected a regular expression with one group, the label"


def _policy_faults(config: Config) -> Iterator[str]:
    """What of the label policy contradicts itself, or what a model can say."""
    settings = config["labels"]
    policy = LabelPolicy.from_settings(settings)
    if lost := policy.unreachable():
        rest = f"labels.case is {settings['case']!r} and labels.normalise {settings['normalise']!r}"
        yield (
            f"labels.characters has {shortened(lost)}, which no compared text has, for {rest}; "
            "expected characters that these leave as they are (case: keep, normalise: nfc)"
        )
        return
    for name, model in config["models"].items():
        with suppress(UserError):  # a fault of the model, and named as such
            if _in_the_file(model["charset"]):
                continue
            missing = policy.unspelled("".join(Charset.from_settings(model["charset"]).characters))
            if missing:
                yield (
                    f"models.{name}.charset cannot spell {shortened(missing)} of labels.characters; expected a charset "
                    "with these, or labels.characters without them"
                )


def shortened(characters: str, most: int = 20) -> str:
    """Characters in quotes, the first ones where they are many."""
    return repr(characters[:most]) + (f" and {len(characters) - most} more" if len(characters) > most else "")


def _model_faults(config: Config) -> Iterator[str]:
    """What keeps a model from being one recogniser, whose images and characters are known."""
    for name, entry in config["models"].items():
        key, charset = f"models.{name}", entry["charset"]
        given = picked(entry, *MODEL_SOURCES)
        if len(given) != 1:
            yield f"{key}: has {' and '.join(given) or 'no model file'}; expected one of {', '.join(MODEL_SOURCES)}"
        if len(str(charset).encode()) > MOST_INLINE:
            yield f"{key}.charset is too long for the config; put its characters into a file, one a line: {{file: …}}"
        if isinstance(charset, dict) and "only" in charset and "onnx" not in entry:
            yield f"{key}.charset.only is for an onnx model; export the checkpoint, or leave it out"
        try:
            Input.from_settings(entry["input"])
        except UserError as error:
            yield f"{key}.{error}"
        if _in_the_file(charset) and "onnx" in entry:
            continue
        try:
            Charset.from_settings(charset)
        except UserError as error:
            yield f"{key}.{error}"


def _in_the_file(charset: Any) -> bool:
    """Whether a charset stands in the model file, whose import reads it."""
    return isinstance(charset, dict) and charset.keys() & {"file", "metadata"} == {"metadata"}


def models_of(deployment: Config, config: Config) -> tuple[str, ...]:
    """The models that a deployment is for."""
    return tuple(deployment["models"] if "models" in deployment else config["models"])


def _deployment_faults(config: Config, runtimes: Mapping[str, Runtime]) -> Iterator[str]:
    """What keeps a deployment from being built, or from being told apart from a stage of the model."""
    for name, entry in config["deployments"].items():
        if "cascade" in entry:
            continue
        key, runtime, source = f"deployments.{name}", runtimes.get(entry["runtime"]), entry["source"]
        if runtime is None:
            yield f"{key}.runtime is {entry['runtime']!r}; expected one of {', '.join(runtimes)}"
            continue
        if entry["widths"] not in config["widths"]:
            known = ", ".join(config["widths"])
            yield f"{key}.widths is {entry['widths']!r}; expected one of {known} (the keys of widths)"
        if (runtime.source == "checkpoint") != (source == "checkpoint"):
            takers = ", ".join(each.name for each in runtimes.values() if each.source == "checkpoint")
            yield f"{key}.source is {source!r}; {takers} take checkpoint, every other runtime raw or fixed"
        if "surgery" in entry and source != "fixed":
            yield f"{key}.source is {source!r}; with passes of its own (surgery) it is fixed"
        if name in STAGE_READERS or name.startswith(STAGE_READERS[-1]) or (name == "torch") > (runtime.name == "torch"):
            yield f"{key}: {name} is the name of a stage of the model; expected another name"
        yield from _serving_faults(key, entry, config, runtime)
        yield from _precision_faults(key, entry, config, runtime)


def _serving_faults(key: str, entry: Config, config: Config, runtime: Runtime) -> Iterator[str]:
    """What keeps a deployment from running the models that it is for."""
    widths, remedy = config["widths"].get(entry["widths"]), "or name the models it is for in its `models`"
    for name in models_of(entry, config):
        model = config["models"].get(name)
        if model is None:
            yield f"{key}.models names {name!r}; expected some of {', '.join(config['models'])} (the keys of models)"
            continue
        if runtime.source == "checkpoint" and "checkpoint" not in model:
            yield f"{key}.runtime is {runtime.name!r}, which runs no ONNX file, and models.{name} is one; {remedy}"
        if widths is None:
            continue
        found = (widths.get("height", Input.height), widths["channels"])
        with suppress(UserError):  # a fault of the model, and named as such
            images = Input.from_settings(model["input"])
            if found != (images.height, images.tensor_channels):
                yield (
                    f"{key}.widths is {entry['widths']!r}, of height {found[0]} and {found[1]} channels, and "
                    f"models.{name} takes height {images.height} and {images.tensor_channels} channels; give that "
                    f"width rule these, {remedy}"
                )


def _precision_faults(key: str, entry: Config, config: Config, runtime: Runtime) -> Iterator[str]:
    """What keeps a precision from being had or made."""
    precision = entry["precision"]
    if precision not in runtime.precisions:
        yield (
            f"{key}.precision is {precision!r}; expected one of {', '.join(runtime.precisions)} "
            f"(what {runtime.name} has)"
        )
        return
    name = runtime.precisions[precision]
    if name != "fp32" and entry["source"] != "fixed":
        yield f"{key}.source is {entry['source']!r}; in {precision} it is fixed"
    oldest = VARIANTS.get(name, Variant()).oldest_opset
    for model in models_of(entry, config):
        made = config["models"].get(model, {"opset": oldest})
        if made["opset"] < oldest:
            yield f"models.{model}.opset is {made['opset']}; expected {oldest} ({key}.precision is {precision!r})"


def _training_faults(config: Config) -> Iterator[str]:
    known = [key for key, widths in config["widths"].items() if widths["rule"] in ("aspect", "fixed")]
    for name, entry in config["training"].items():
        if entry["widths"] not in known:
            yield f"training.{name}.widths is {entry['widths']!r}; expected one of {', '.join(known)} (aspect or fixed)"


def planned_widths(config: Config) -> Config:
    """The entries of widths that are planned, by name."""
    return {name: entry for name, entry in config["widths"].items() if entry["rule"] == "planned"}


def _planning_faults(config: Config) -> Iterator[str]:
    """What keeps planned widths from being planned."""
    planned, planning = planned_widths(config), config["planning"]
    for name, entry in planned.items():
        key, on = f"widths.{name}", entry["deployment"]
        named = {"deployments": [on], "models": picked(entry, "model").values(), "datasets": entry.get("datasets", [])}
        for section, names in named.items():
            for unknown in (each for each in names if each not in config[section]):
                yield f"{key} names {unknown!r}; expected one of {', '.join(config[section])} (the keys of {section})"
        measured = config["deployments"].get(on, {})
        if measured and entry.get("model", next(iter(config["models"]))) not in models_of(measured, config):
            yield f"{key}.deployment is {on!r}, which is not for the model it is measured with; name one in {key}.model"
        if measured.get("widths") in planned:
            yield f"{key}.deployment is {on!r}, whose own widths are planned; name one with another rule"
        low, high, step = entry["min"], entry["max"], entry["step"]
        if high < low or (high - low) % step:
            yield f"{key} plans widths from {low} to {high}; expected max - min to be a multiple of step, {step}"
        if low < min(planning["widths"]) or high > max(planning["widths"]):
            yield f"{key} plans widths from {low} to {high}; planning.widths has to reach from one to the other"
        if "cascade" in measured:
            yield f"{key}.deployment is {on!r}, a cascade; name one of its members"
    # Plans and thresholds are tuned on words of their own, never on those of a dataset.
    tuned = planned or any("cascade" in entry for entry in config["deployments"].values())
    for name, dataset in config["datasets"].items() if tuned else ():
        if "lmdb" in planning and dataset.get("lmdb") == planning["lmdb"]:
            yield f"planning.lmdb is {planning['lmdb']!r}, as datasets.{name}.lmdb; expected words that are not scored"
        if "lmdb" not in planning and dataset.get("sample", {}).get("seed") == planning["seed"]:
            yield f"planning.seed is {planning['seed']}, as datasets.{name}.sample.seed; expected another"


def trained_weights(name: str, results: str = "results") -> str:
    """Where the checkpoint of the training `name` lands."""
    return f"{results}/training/{name}/weights.safetensors"


def _file_faults(config: Config, root: Path, results: str) -> Iterator[str]:
    """Files that the config names and that are not there.

    Snakemake would go on with what an earlier run left of them, and report the old words under the new name.
    """
    for key, holder, place in _paths_in(config):
        if "{" in (path := holder[place]) or "}" in path:
            yield f"{key} is {path!r}; Snakemake takes braces for wildcards, so rename it, or name a link to it"
    datasets = {f"datasets.{name}": entry for name, entry in config["datasets"].items()}
    for key, entry in {**datasets, **picked(config, "planning", "calibration")}.items():
        if "lmdb" in entry:
            data = Path(entry["lmdb"]) / "data.mdb"
            if not data.is_file():
                yield f"{key}.lmdb is {entry['lmdb']!r}; expected an LMDB folder, but there is no {data}"
            continue
        for source in ("images", "iiit5k"):
            for option, path in picked(entry.get(source, {}), "folder", "labels", "archive").items():
                if not Path(path).exists():
                    yield f"{key}.{source}.{option} is {path!r}, which does not exist"
    previous = config.get("report", {}).get("previous")
    if previous is not None:
        yield from _previous_faults(Path(previous), results)
    made = {trained_weights(name, results) for name in config["training"]}
    for name, model in config["models"].items():
        for source, path in picked(model, *MODEL_SOURCES).items():
            if path not in made and not (Path(path).is_file() or (root / path).is_file()):
                yield f"models.{name}.{source} is {path!r}, which does not exist"


def _previous_faults(report: Path, results: str) -> list[str]:
    """What is wrong with the earlier report that report.previous names."""
    if report.resolve() == Path(results, "report/report.json").resolve():
        return [f"report.previous is {str(report)!r}, which this run writes; keep a copy of its folder and name that"]
    lost = [str(path) for path in (report, report.with_name("readings.parquet")) if not path.is_file()]
    return [f"report.previous is {str(report)!r}, but there is no {' and no '.join(lost)}"] if lost else []
