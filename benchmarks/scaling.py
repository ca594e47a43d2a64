"""Measure how time and memory of the stages grow: half an hour, 13 GB of temporary files.

    python -m benchmarks.scaling

All stages run at 10 000, 30 000 and 100 000 spectra with one epoch and one pass of training. The
table has seconds, peak memory, seconds per further thousand, and the ratio of the two steps.
"""

from benchmarks import memory
from starlabels.base import console
from starlabels.stages import command_line

SIZES = (10_000, 30_000, 100_000)
LARGE = 1_000_000


def add_arguments(parser):
    """Add the command-line arguments to a parser."""
    parser.add_argument(
        "--sizes",
        type=int,
        nargs=3,
        default=SIZES,
        help="numbers of spectra (default: 10000 30000 100000)",
    )


def print_scaling(run, args):
    """Print the table, each size as soon as it is known."""
    cfg = run.cfg
    costs = {}
    for n in args.sizes:
        costs[n] = memory.measure_spectra(cfg, n)
        costs[n]["all"] = (
            max(gb for gb, _ in costs[n].values()),
            sum(seconds for _, seconds in costs[n].values()),
        )
        for stage, (gb, seconds) in costs[n].items():
            print(
                f"{console.format_count(n):>9} spectra  {stage:<16}{gb:>6.2f} GB{seconds:>8.1f} s",
                flush=True,
            )
    few, middle, most = args.sizes
    first = f"s per 1000, to {console.format_count(middle)}"
    second = f"to {console.format_count(most)}"
    print(f"{'':<16}{first:>24}{second:>16}{'ratio':>8}{console.format_count(LARGE):>16}")
    for stage in costs[few]:
        seconds = {n: costs[n][stage][1] for n in args.sizes}
        first, second = (
            (seconds[b] - seconds[a]) / (b - a) * 1000 for a, b in ((few, middle), (middle, most))
        )
        hours = (seconds[most] + second * (LARGE - most) / 1000) / 3600
        print(f"{stage:<16}{first:>24.3f}{second:>16.3f}{second / first:>8.2f}{hours:>14.2f} h")


if __name__ == "__main__":
    command_line.run_command(print_scaling, __doc__, add_arguments)
