"""The one exception that a user is meant to read.

A stage turns it into a single line and exit status 1; every other exception keeps its traceback.
"""


class UserError(Exception):
    """Something the user can mend: the message names the file or key, what is wrong and the remedy."""
