"""Which Python a rule's shell finds, and a cluster's commands."""

import os
import sys
from pathlib import Path


def offer_own_interpreter() -> None:
    """Put the folder of the running Python first on PATH.

    Without conda a rule then runs in the environment that Snakemake runs in, also where nobody activated it; with
    conda the rule's env is activated later and comes before it.
    """
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
