"""The house style of the figures: print sizes, colours, and a save that never leaves half a PNG."""

import os
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

plt.style.use(Path(__file__).with_name("plots.mplstyle"))
COLUMN, PAGE = 3.46, 7.09  # inches: one and two columns of A&A
BLUE, VERMILLION, GREEN, PINK, ORANGE, SKY, BLACK = COLORS = [
    f"#{c}" for c in ("0072B2", "D55E00", "009E73", "CC79A7", "E69F00", "56B4E9", "000000")
]


def color(i):
    """The i-th colour of the Okabe-Ito cycle."""
    return COLORS[i % len(COLORS)]


def save(fig, path):
    """Write a figure as PNG by way of `<path>.tmp`, make its folder if missing, close the figure, return the path."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    tmp = path.with_name(path.name + ".tmp")
    try:
        fig.savefig(tmp, format="png")
        os.replace(tmp, path)
    finally:
        tmp.unlink(missing_ok=True)
        plt.close(fig)
    return path
