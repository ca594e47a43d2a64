"""Errors of one spectrum: they become a failed row with a reason, and the batch goes on.

A `UserError` states its reason. Any other exception was not foreseen: the row says in which step
it happened, and its traceback goes to log.txt.
"""

import traceback

from starlabels.base.console import make_printable
from starlabels.base.errors import UserError
from starlabels.spectra.results import StarResult

LOG = "log.txt"


def build_failure(name, reason, trace=""):
    """StarResult of a spectrum that cannot be used."""
    nan = float("nan")
    reason = str(reason).removeprefix(f"{name}: ")
    return StarResult(name, reason, {}, {}, nan, nan, nan, nan, 0, [], nan, trace=trace)


def explain_error(name, step, error):
    """StarResult of a spectrum whose `step`, such as "reading", raised an exception."""
    if isinstance(error, UserError):
        return build_failure(name, error)
    if isinstance(error, MemoryError):
        reason = f"{step} needs more memory than there is: give less of the file"
    else:
        text = " ".join(str(error).split())[:200]
        cause = f"{type(error).__name__}: {text}" if text else type(error).__name__
        reason = f"{step} failed ({cause}): the file may be damaged, see {LOG}"
    return build_failure(name, reason, "".join(traceback.format_exception(error)))


def run_guarded(name, step, function, *arguments):
    """Output of function(*arguments), or the failed StarResult of an exception in it."""
    try:
        return function(*arguments)
    except Exception as error:
        return explain_error(name, step, error)


def log_traces(results, folder):
    """Append the tracebacks of failed StarResults to the log in a folder."""
    traces = [
        f"{make_printable(result.name)}\n{result.trace}\n" for result in results if result.trace
    ]
    if traces:
        with open(folder / LOG, "a", encoding="utf-8", errors="backslashreplace") as file:
            file.writelines(traces)
