"""The error of the user: a message of one line, without a traceback."""


class UserError(Exception):
    """A mistake the user can mend: what, where, what was found, what to do; one line each."""
