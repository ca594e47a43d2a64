"""Spectral lines on figures: ticks, verticals and names at their wavelengths."""

import re

import numpy as np

BLEND = 12.0  # Angstrom: lines of the same name closer than this get one text


def format_wavelength_axis(medium):
    """Name of an axis of wavelengths in air or vacuum."""
    return rf"Wavelength in {medium} ($\mathrm{{\AA}}$)"


def find_lines_inside(wave, lines):
    """Sorted (place, name) of the lines {name: [Angstrom, ...]} inside the wavelengths (n_pix,)."""
    inside = []
    for name, places in lines.items():
        inside += [(place, name) for place in places if wave[0] <= place <= wave[-1]]
    return sorted(inside)


def draw_line_verticals(ax, wave, lines):
    """Draw a faint vertical at each named line."""
    for place, _ in find_lines_inside(wave, lines):
        ax.axvline(place, color="0.85", lw=0.6, zorder=0)


def mark_lines(ax, wave, lines, room=0.017):
    """Draw ticks above the continuum at the named lines, and their names above the ticks.

    Names are moved to the right so that each has `room`, a fraction of the axis.
    """
    groups = []  # (name, [places]) of lines that share a name
    for place, name in find_lines_inside(wave, lines):
        for other, group in groups:
            if other == name and place - group[-1] < BLEND:
                group.append(place)
                break
        else:
            groups.append((name, [place]))
    bottom, top = ax.get_ylim()
    tick = 1 + 0.03 * (top - bottom)
    text = 1 + 0.08 * (top - bottom)
    style = {"ha": "center", "va": "bottom", "rotation": 90, "fontsize": 7, "color": "0.2"}
    taken = -np.inf
    for name, group in sorted(groups, key=lambda item: np.mean(item[1])):
        taken = max(np.mean(group), taken + room * (wave[-1] - wave[0]))
        ax.vlines(group, tick, text - 0.01 * (top - bottom), color="0.35", lw=0.6)
        ax.text(taken, text, format_line_name(name), **style)


def format_line_name(name):
    """Name of a line in the notation of matplotlib, with a Greek letter for H beta."""
    return re.sub(r" (alpha|beta|gamma|delta|epsilon|zeta)$", r"$\\\1$", name)
