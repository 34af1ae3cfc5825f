"""Errors that are written for users: what they can mend, said in one line, and all that is told from it.

A stage turns these into one line and exit status 1; every other exception keeps its traceback.
"""

import errno
import os
import re
from collections.abc import Iterator


class UserError(Exception):
    """Something a user can mend: the message names the file or key, what is wrong and the remedy."""


MEMORY = "give the job more memory, or less to do at once (fewer cores, a smaller batch)"
# What a machine refuses, by number of the error: the remedy. Libraries of other languages say it in the same words.
REMEDIES = {
    errno.ENOSPC: "free some space, or put the results on another disk",
    errno.EDQUOT: "free some space, or put the results on another disk",
    errno.EFBIG: "raise the limit on the size of a file (ulimit -f), or put the results on another disk",
    errno.EIO: "see whether the disk is full or failing",
    errno.EROFS: "put the results where you may write",
    errno.EACCES: "put the results where you may write, or change the permissions",
    errno.EPERM: "put the results where you may write, or change the permissions",
    errno.EMFILE: "raise the limit on open files (ulimit -n)",
    errno.ENFILE: "raise the machine's limit on open files",
    errno.ENOMEM: MEMORY,
    errno.EAGAIN: "raise the limit on processes and threads (ulimit -u)",
    errno.ENAMETOOLONG: "give the dataset, the model or the deployment a shorter name",
    errno.ESTALE: "run again; the network's file system lost the file",
}
# The same without a number.
SAID = {
    r"bad.alloc|[Oo]ut of memory|[Nn]ot enough memory|[Ii]nsufficient memory|[Ff]ailed to allocate": MEMORY,
    r"process pool was terminated abruptly": f"a worker was killed, most often for want of memory: {MEMORY}",
    r"start new thread": REMEDIES[errno.EAGAIN],
    r"requested and \d+ written": REMEDIES[errno.ENOSPC],
}
REMEDY_OF = {re.escape(os.strerror(number)): remedy for number, remedy in REMEDIES.items()} | SAID


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def mendable(error: BaseException) -> str | None:
    """What a user can mend where no stage foresaw it, such as a full disk, in a line; None for a fault of the program.

    The libraries below raise errors of their own for what the system refuses, so the words decide and not the class.
    """
    for cause in _causes(error):
        said = " ".join(str(cause).split()) or type(cause).__name__
        if isinstance(cause, MemoryError):
            return f"{said}: there is not enough memory; {MEMORY}"
        for pattern, remedy in REMEDY_OF.items():
            if re.search(pattern, said):
                return f"{said}; {remedy}"
    return None
