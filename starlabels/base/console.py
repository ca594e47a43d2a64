"""Output of scripts: progress bars, numbers, and the error that ends a script."""

import sys


def exit_with_error(message, code=2):
    """Print each line of the message on stderr after `error:` and exit with the code."""
    for line in message.splitlines():
        print(f"error: {make_printable(line)}", file=sys.stderr)
    sys.exit(code)


def make_printable(text):
    """The text with characters that would control a terminal, or are not UTF-8, as \\x1b codes."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def show_progress(iterable, description, **options):
    """The iterable with a progress bar on a terminal; unchanged elsewhere."""
    from tqdm import tqdm

    return tqdm(iterable, desc=description, disable=None, leave=False, **options)


def format_count(n):
    """The number n as text with spaces between thousands: 57 812."""
    return f"{n:,}".replace(",", " ")
