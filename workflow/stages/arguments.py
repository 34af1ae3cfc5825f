"""What every stage that runs a model takes on its command line, and how it opens it."""

from contextlib import AbstractContextManager, closing
from pathlib import Path

from crnn.core.command import Arguments, Command, json_object
from crnn.data.buckets import DEFAULT_BATCH, width_settings
from crnn.data.preprocess import Preprocess
from crnn.model.contract import Contract
from crnn.runtimes.registry import find_runtime, known_runtimes
from crnn.runtimes.runtime import Session


def add_tensor_arguments(command: Command, *, parts: bool = False) -> None:
    """Arguments that name a dataset's tensors (with `parts`, several folders) and the model that they are for."""
    add = command.add_paths if parts else command.add_path
    add("--tensors", "folder that make_tensors wrote")
    command.add_argument("--widths", type=width_settings, required=True, help="width rule or plan.json of the tensors")
    add_contract(command)
    command.add_threads()


def add_word_arguments(command: Command) -> None:
    """Arguments that name a dataset's words as encoded, how they are prepared, and how many share a call."""
    command.add_path("--words", "LMDB folder")
    command.add_argument("--widths", type=width_settings, required=True, help="width rule or plan.json")
    command.add_argument("--batch", default=str(DEFAULT_BATCH), help="most words in one call, or a plan.json")
    command.add_argument("--limit", type=int, default=3000, help="most words to look at, the first (default: 3000)")
    add_contract(command)
    command.add_threads()


def add_contract(command: Command) -> None:
    command.add_path("--contract", "contract.json of the model")


def matched(args: Arguments) -> tuple[Preprocess, Contract]:
    """The width rule and the contract that the arguments name. Raises UserError where one is not for the other."""
    preprocess, contract = Preprocess.from_settings(args.widths), Contract.read(args.contract)
    contract.check_tensors(preprocess.rule.height, preprocess.channels, preprocess.rule.possible())
    return preprocess, contract


def add_runtime_arguments(command: Command, action: str = "store") -> None:
    """Arguments that name a model file (with the action `append`, several) and the runtime that loads it."""
    command.add_path("--model", "model file, or the first file that build_model wrote", action=action)
    command.add_argument("--runtime", choices=known_runtimes(), required=True)
    command.add_argument("--options", type=json_object, default={}, help="the deployment's `options`")
    command.add_argument("--calls", type=int, help="calls under way at a time, as far as the device takes them")


def opened_session(args: Arguments, model: Path, calls: int | None = None) -> AbstractContextManager[Session]:
    """Load a model file on the runtime of the arguments; the device is released when the block ends, however it ends.

    calls: how many are under way at a time; by default what --calls says, or else one for each core, which is fastest
    where the whole counts and not a single call.
    """
    calls = calls or args.calls or args.threads
    return closing(find_runtime(args.runtime).load(model, args.options, args.threads, calls))


def workers(args: Arguments, session: Session) -> int:
    """Worker threads of a scheduler over this session: one for each core, and no fewer than it takes calls."""
    return max(int(args.threads), session.calls)
