"""Names of spectral lines on figures: ticks, verticals and labels at their wavelengths."""

import re

import numpy as np

BLEND = 12.0  # Angstrom: lines of one name closer than this share a name, in the zoom a panel


def format_wavelength_axis(medium):
    """The name of an axis of wavelengths in air or vacuum."""
    return rf"Wavelength in {medium} ($\mathrm{{\AA}}$)"


def find_lines_inside(wave, lines):
    """(place, name) of the named lines inside the wavelengths, in order."""
    return sorted(
        (place, name)
        for name, places in lines.items()
        for place in places
        if wave[0] <= place <= wave[-1]
    )


def draw_line_verticals(ax, wave, lines):
    """A faint vertical at each named line."""
    for place, _ in find_lines_inside(wave, lines):
        ax.axvline(place, color="0.85", lw=0.6, zorder=0)


def mark_lines(ax, wave, lines, room=0.017):
    """Ticks above the continuum at the named lines; names above, moved right to keep `room` of the axis for each."""
    groups = []
    for place, name in find_lines_inside(wave, lines):
        near = next(
            (group for other, group in groups if other == name and place - group[-1] < BLEND), None
        )
        near.append(place) if near else groups.append((name, [place]))
    (bottom, top), taken = ax.get_ylim(), -np.inf
    tick, text = 1 + 0.03 * (top - bottom), 1 + 0.08 * (top - bottom)
    for name, group in sorted(groups, key=lambda item: np.mean(item[1])):
        taken = max(np.mean(group), taken + room * (wave[-1] - wave[0]))
        ax.vlines(group, tick, text - 0.01 * (top - bottom), color="0.35", lw=0.6)
        ax.text(
            taken,
            text,
            format_line_name(name),
            ha="center",
            va="bottom",
            rotation=90,
            fontsize=7,
            color="0.2",
        )


def format_line_name(name):
    """A line's name with its Greek letter: H beta becomes H and the sign."""
    return re.sub(r" (alpha|beta|gamma|delta|epsilon|zeta)$", r"$\\\1$", name)
