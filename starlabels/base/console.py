"""What scripts print: progress bars, numbers, and the error that ends them."""

import sys


def exit_with_error(message, code=2):
    """Print each line of the message on stderr after `error:` and leave with the exit code."""
    for line in message.splitlines():
        print(f"error: {line}", file=sys.stderr)
    sys.exit(code)


def show_progress(iterable, what, **options):
    """The iterable with a progress bar on a terminal, as it is elsewhere."""
    from tqdm import tqdm

    return tqdm(iterable, desc=what, disable=None, leave=False, **options)


def format_count(n):
    """The number n as text with spaces between thousands: 57 812."""
    return f"{n:,}".replace(",", " ")
