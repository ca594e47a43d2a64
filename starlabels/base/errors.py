"""The error that a user can fix: scripts print its message without a traceback."""


class UserError(Exception):
    """A mistake that the user can fix.

    The message is one line per mistake: where, what was found, what was expected, what to do.
    """
