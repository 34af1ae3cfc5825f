"""Errors that are written for users: what they can mend, said in one line, and all that is told from it.

A stage turns these into one line and exit status 1; every other exception keeps its traceback.
"""

import errno
import os
import re
import resource


class UserError(Exception):
    """Something a user can mend: the message names the file or key, what is wrong and the remedy."""


DISK = "free some space, or put the results on another disk"
PLACE = "put the results where you may write, or change the permissions"
MEMORY = "give the job more memory, or less to do at once (fewer cores, a smaller batch)"
ENOUGH = 4 << 30  # bytes of address space that every stage runs in
# What a machine refuses, by number of the error: the remedy. Libraries of other languages say it in the same words.
REMEDIES = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO), DISK),
    **dict.fromkeys((errno.EROFS, errno.EACCES, errno.EPERM), PLACE),
    **dict.fromkeys((errno.EMFILE, errno.ENFILE), "raise the limit on open files (ulimit -n)"),
    errno.ENOMEM: MEMORY,
    errno.EAGAIN: "raise the limit on processes and threads (ulimit -u)",
    errno.ENAMETOOLONG: "give the dataset, the model or the deployment a shorter name",
    errno.ESTALE: "run again; the network's file system lost the file",
}
REMEDY_OF = {re.escape(os.strerror(number)): remedy for number, remedy in REMEDIES.items()} | {
    r"(?i)bad.alloc|out of memory|not enough memory|insufficient memory|failed to (allocate|map)": MEMORY,
    r"process pool was terminated abruptly": f"a worker was killed, most often for want of memory: {MEMORY}",
    r"start new thread": REMEDIES[errno.EAGAIN],
    r"requested and \d+ written": DISK,
}


def mendable(error: BaseException) -> str | None:
    """What a user can mend where no stage foresaw it, such as a full disk, in a line; None for a fault of the program.

    The libraries below raise errors of their own for what the system refuses, so the words decide and not the class.
    """
    said = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, MemoryError):
        return f"{said}: there is not enough memory; {MEMORY}"
    for pattern, remedy in REMEDY_OF.items():
        if re.search(pattern, said):
            return f"{said}; {remedy}"
    cause = error.__cause__ or error.__context__
    if cause is not None:
        return mendable(cause)
    # Libraries that find no room when they are loaded fail in every way.
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    cramped = limit != resource.RLIM_INFINITY and limit < ENOUGH
    return f"{said}; this process may map {limit >> 20} MiB of memory (ulimit -v), raise that" if cramped else None
