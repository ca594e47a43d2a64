"""Output of scripts: progress bars, numbers, and the error that ends a script."""

import math
import sys
import time

LOG_INTERVAL = 60.0  # seconds between lines of progress in a log


def exit_with_error(message, code=2):
    """Print each line of the message on stderr after `error:` and exit with the code."""
    for line in message.splitlines():
        print(f"error: {make_printable(line)}", file=sys.stderr)
    sys.exit(code)


def make_printable(text):
    """The text with characters that would control a terminal, or are not UTF-8, as \\x1b codes."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def print_line(text):
    """Print a text of names from files as one line that cannot control the terminal."""
    print(make_printable(text))


def show_progress(iterable, description, **options):
    """The iterable with a progress bar on a terminal; in a log, with a line a minute."""
    from tqdm import tqdm

    if sys.stderr.isatty():
        return tqdm(iterable, desc=description, leave=False, **options)
    return log_progress(iterable, description, options.get("total"))


def log_progress(iterable, description, total=None):
    """Yield the items, and print every LOG_INTERVAL seconds how many are done."""
    if total is None and hasattr(iterable, "__len__"):
        total = len(iterable)
    start = last = time.monotonic()
    for n, item in enumerate(iterable, start=1):
        yield item
        now = time.monotonic()
        if now - last >= LOG_INTERVAL and n != total:
            last = now
            of_all = ""
            if total:
                minutes = math.ceil((now - start) / n * (total - n) / 60)
                left = f"{format_count(minutes)} minute{'s' if minutes != 1 else ''} left"
                of_all = f" of {format_count(total)}, about {left}"
            print(f"{make_printable(description)}: {format_count(n)}{of_all}")


def format_count(n):
    """The number n as text with spaces between thousands: 57 812."""
    return f"{n:,}".replace(",", " ")
