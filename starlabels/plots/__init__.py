"""Figures: arrays in, PNG out. The house style, its colours and print sizes, and safe saving."""

from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt

from starlabels.base.files import replace_file


def use_style():
    """Draw without a display, in the house style."""
    matplotlib.use("Agg")
    matplotlib.rcdefaults()  # the user's matplotlibrc, with usetex for instance, must not matter
    plt.style.use(Path(__file__).with_name("plots.mplstyle"))


use_style()
COLUMN, PAGE = 3.46, 7.09  # inches: one and two columns of A&A
BLUE, VERMILLION, GREEN, PINK, ORANGE, SKY, BLACK = COLORS = [
    f"#{c}" for c in ("0072B2", "D55E00", "009E73", "CC79A7", "E69F00", "56B4E9", "000000")
]


def color(i):
    """The i-th colour of the Okabe-Ito cycle without black, which is kept for references."""
    return COLORS[i % (len(COLORS) - 1)]


def save_figure(fig, path):
    """Write a figure as PNG, whole or not at all, close it and return its path."""
    try:
        with replace_file(path, sync=False) as tmp:
            fig.savefig(tmp, format="png")
    finally:
        plt.close(fig)
    return Path(path)
