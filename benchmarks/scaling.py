"""Whether time and memory grow as they should: `python -m benchmarks.scaling`, half an hour and 13 GB of temporary files.

All stages of the recipe at 10 000, 30 000 and 100 000 spectra, with one epoch and one pass of training: seconds and peak
memory, the seconds that each further thousand costs, and by how much these differ between the first and the second step.
"""

from benchmarks import memory
from starlabels.base import console
from starlabels.stages import command_line

SIZES = (10_000, 30_000, 100_000)
LARGE = 1_000_000


def arguments(parser):
    """Command-line arguments."""
    parser.add_argument(
        "--sizes",
        type=int,
        nargs=3,
        default=SIZES,
        help="numbers of spectra (default: 10000 30000 100000)",
    )


def run(cfg, args):
    """Print the table, each size as soon as it is known."""
    found = {}
    for n in args.sizes:
        found[n] = memory.of_spectra(cfg, n)
        found[n]["all"] = (
            max(gb for gb, _ in found[n].values()),
            sum(seconds for _, seconds in found[n].values()),
        )
        for stage, (gb, seconds) in found[n].items():
            print(
                f"{console.format_count(n):>9} spectra  {stage:<16}{gb:>6.2f} GB{seconds:>8.1f} s",
                flush=True,
            )
    few, more, most = args.sizes
    print(
        f"{'':<16}{'s per 1000, to ' + console.format_count(more):>24}{'to ' + console.format_count(most):>16}{'ratio':>8}{console.format_count(LARGE):>16}"
    )
    for stage in found[few]:
        seconds = {n: found[n][stage][1] for n in args.sizes}
        first, second = (
            (seconds[b] - seconds[a]) / (b - a) * 1000 for a, b in ((few, more), (more, most))
        )
        hours = (seconds[most] + second * (LARGE - most) / 1000) / 3600
        print(f"{stage:<16}{first:>24.3f}{second:>16.3f}{second / first:>8.2f}{hours:>14.2f} h")


if __name__ == "__main__":
    command_line.run_command(run, __doc__, arguments)
