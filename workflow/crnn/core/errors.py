"""The one exception that is written for users.

A stage turns it into one line and exit status 1; every other exception keeps its traceback.
"""


class UserError(Exception):
    """Something a user can mend: the message names the file or key, what is wrong and the remedy."""
