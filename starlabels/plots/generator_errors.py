"""Figures of how well a generator reproduces synthesised spectra; differences of the flux are drawn in thousandths."""

import numpy as np
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter

from starlabels.base.statistics import compute_rms
from starlabels.plots import BLACK, BLUE, COLUMN, ORANGE, PAGE, VERMILLION, color, plt, save
from starlabels.plots.lines import find_lines_inside, mark_lines, format_line_name, draw_line_verticals, format_wavelength_axis
from starlabels.plots.panels import BOX, HALO, HEX, compute_running_percentiles, share_color_scale, compute_span, set_ticks

SOURCES = {"synthesised": BLACK, "generated": VERMILLION}
CURVES = {"worst": ("worst", ORANGE), "p95": ("95th percentile", BLUE), "mean": ("mean", BLACK)}
HISTOGRAMS = {"mean": ("mean", BLUE), "max": ("largest", VERMILLION)}
SIZE = r"$|\Delta f|$ ($10^{-3}$)"
LETTER, TICK = (
    0.045,
    0.14,
)  # inches: a letter of a line's name on its side, the tick below the name with its gaps
DECADES = 4.0  # below the largest error that a logarithmic axis shows at most
NEAR, APART, MOST = (
    3.0,
    0.02,
    6,
)  # worst lines: Angstrom about the place, parts of the window between two, number
STEP = 20.0  # thousandths: the most that the change of a label which a panel is drawn for changes the flux


def draw_spectrum_pairs(wave, truth, generated, titles, lines, path, medium="air"):
    """Synthesised and generated flux (k, n_pix) of k stars with titles (k,), and touching each dF with mean and max of |dF|."""
    flux, strip, gap, names = 0.95, 0.5, 0.07, compute_names_height(wave, lines)  # inches
    heights = [flux + names, strip, *[gap, flux, strip] * (len(truth) - 1)]
    fig, axes = make_stacked_panels(heights, 0.3 + 0.2 * len(truth))
    for ax in axes[2::3]:
        ax.axis("off")
    axes = np.delete(axes, slice(2, None, 3))
    for i, (top, low) in enumerate(axes.reshape(-1, 2)):
        top.plot(wave, truth[i], color=BLACK, lw=0.7, label="synthesised")
        top.plot(wave, generated[i], color=VERMILLION, lw=0.7, ls=(0, (4, 2)), label="generated")
        set_flux_axis(top, np.minimum(truth[i], generated[i]), 0 if i else names / heights[0])
        difference = 1e3 * (generated[i] - truth[i])
        low.plot(wave, difference, color=VERMILLION, lw=0.6)
        set_symmetric_axis(low, difference)
        low.set_ylabel("$\\Delta f$\n($10^{-3}$)", fontsize=8)
        top.set_title(titles[i], fontsize=8, loc="left", pad=3.5)
        text = f"mean {format_digits(np.abs(difference).mean())}\nmax {format_digits(np.abs(difference).max())}"
        low.text(
            1.006,
            0.5,
            text,
            transform=low.transAxes,
            rotation=90,
            va="center",
            linespacing=1.05,
            ma="center",
            fontsize=7,
        )
    mark_lines(axes[0], wave, lines)
    finish_wavelength_axes(fig, axes, wave, lines, medium, axes[0])
    return save(fig, path)


def make_stacked_panels(heights, extra):
    """Figure and axes of panels of those heights in inches with the same wavelengths; extra inches for what is around."""
    size = (PAGE, sum(heights) + extra)
    fig, axes = plt.subplots(len(heights), 1, figsize=size, sharex=True, height_ratios=heights)
    fig.get_layout_engine().set(h_pad=0.01, hspace=0, rect=(0, 0, 1, 1 - 0.03 / size[1]))
    return fig, axes


def finish_wavelength_axes(fig, axes, wave, lines, medium, named=None):
    """Faint verticals at named lines below the first axes, the axis of wavelengths, and beside its name the legend of named."""
    for ax in axes[1:]:
        draw_line_verticals(ax, wave, lines)
    axes[-1].set(xlabel=format_wavelength_axis(medium), xlim=(wave[0], wave[-1]))
    if named:
        fig.legend(*named.get_legend_handles_labels(), ncols=3, loc="lower right", borderpad=0)
    fig.align_ylabels(axes)


def compute_names_height(wave, lines):
    """Inches that the names of the lines inside the wavelengths take with their ticks, 0 without any."""
    longest = max((len(name) for _, name in find_lines_inside(wave, lines)), default=0)
    return TICK + LETTER * longest if longest else 0.0


def set_flux_axis(ax, flux, room, word="flux"):
    """An axis named by word from the lowest flux to the continuum, and above it that part of the panel for names of lines."""
    depth = max(1 - flux.min(), 0.02)
    low, high = flux.min() - 0.08 * depth, 1 + 0.1 * depth
    found = MaxNLocator(5, steps=[1, 2, 5, 10]).tick_values(low, 1)
    inner = [
        tick for tick in found if low + 0.07 * (high - low) < tick < 1.001
    ]  # numbers must not hold panels apart
    ax.set(ylim=(low, low + (high - low) / (1 - room)), yticks=inner, ylabel=word)


def set_symmetric_axis(ax, values):
    """Make the axis symmetric about zero and hold all values, with a round tick on either side."""
    limit = 1.15 * np.abs(values).max() or 1.0
    decade = 10.0 ** np.floor(np.log10(0.8 * limit))
    tick = decade * max(i for i in (1, 2, 5) if i * decade <= 0.8 * limit)
    ax.set(ylim=(-limit, limit), yticks=[-tick, 0, tick])
    ax.axhline(0, color="0.6", lw=0.5, zorder=1)


def format_digits(value, digits=2):
    """A value to so many digits, without an exponent."""
    return np.format_float_positional(
        value, precision=digits, unique=False, fractional=False
    ).rstrip(".")


def draw_error_by_wavelength(wave, mean_flux, errors, lines, path, medium="air"):
    """Mean spectrum (n_pix,), below errors {"mean", "p95", "worst": (n_pix,)} of |dF| over stars, at the worst lines named."""
    names, height = compute_names_height(wave, lines), 2.0  # inches
    fig, (top, low) = make_stacked_panels([1.0 + names, height], 0.45)
    top.plot(wave, mean_flux, color=BLACK, lw=0.6)
    set_flux_axis(top, mean_flux, names / (1.0 + names), "mean flux")
    mark_lines(top, wave, lines)
    shown = scale_to_thousandths(errors)
    for key, (word, c) in CURVES.items():
        low.plot(wave, shown[key], color=c, lw=0.6, label=word)
    worst = find_worst_lines(wave, shown["p95"], lines)
    room = 0.05 + LETTER * max((len(name) + 5 for _, name, _ in worst), default=0)  # inches
    bottom, highest = 0.8 * shown["mean"].min(), 1.25 * shown["worst"].max()
    low.set(
        ylabel=SIZE,
        yscale="log",
        ylim=(bottom, bottom * (highest / bottom) ** (height / (height - room))),
    )
    set_log_ticks(low.yaxis)
    for i, name, place in worst:
        low.plot(wave[i], shown["p95"][i], "o", ms=2.5, color=BLUE)
        peak = shown["worst"][np.abs(wave - wave[i]) < APART / 2 * np.ptp(wave)].max()
        style = {"rotation": 90, "fontsize": 7, "ha": "center", "color": BLUE, "path_effects": HALO}
        low.annotate(
            f"{format_line_name(name)} {place:.0f}",
            (wave[i], peak),
            (0, 3),
            textcoords="offset points",
            **style,
        )
    finish_wavelength_axes(fig, (top, low), wave, lines, medium, low)
    return save(fig, path)


def scale_to_thousandths(errors):
    """{name: error} in thousandths, none less than DECADES below the largest, for a logarithmic axis."""
    errors = {name: 1e3 * np.asarray(values, float) for name, values in errors.items()}
    least = max(values.max() for values in errors.values()) / 10**DECADES or 1e-3
    return {name: np.maximum(values, least) for name, values in errors.items()}


def set_log_ticks(axis):
    """Plain numbers at round ticks of a logarithmic axis whose limits are set."""
    low, high = axis.get_view_interval()
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 100 * low else (1,)))
    axis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.set_minor_formatter(NullFormatter())


def find_worst_lines(wave, error, lines):
    """(pixel, name, place) of the named lines with the largest errors (n_pix,), no two too close to each other."""
    found, chosen = [], []
    for place, name in find_lines_inside(wave, lines):
        near = np.flatnonzero(np.abs(wave - place) <= NEAR)
        found.append((near[np.argmax(error[near])], name, place))
    for one in sorted(found, key=lambda one: -error[one[0]]):
        if all(abs(wave[one[0]] - wave[i]) > APART * np.ptp(wave) for i, _, _ in chosen):
            chosen.append(one)
    return chosen[:MOST]


def draw_error_distribution(errors, path):
    """Histograms over stars of errors {"mean", "max": (n,)} of |dF| over the pixels, with mean, 95th percentile and worst."""
    fig, axes = plt.subplots(len(HISTOGRAMS), 1, figsize=(COLUMN, 3.5), sharex=True)
    shown = {key: np.log10(values) for key, values in scale_to_thousandths(errors).items()}
    edges = np.linspace(*compute_span(np.concatenate([shown["mean"], shown["max"]])), 51)
    limits = 10 ** (
        edges[[0, -1]] + 2 * np.array([-1, 1]) * (edges[1] - edges[0])
    )  # two bins of air
    for ax, (key, (word, c)) in zip(axes, HISTOGRAMS.items()):
        counts = np.histogram(shown[key], edges)[0]
        ax.stairs(counts, 10**edges, fill=True, ec=c, fc=(c, 0.35), lw=0.8)
        ax.set(xscale="log", xlim=limits, ylim=(0, counts.max() / 0.66))
        set_log_ticks(ax.xaxis)
        ax.yaxis.set_major_locator(MaxNLocator(4, integer=True))
        ax.set_ylabel("stars per bin")
        ax.set_title(
            f"{word} over the pixels of a star ({len(shown[key])} stars)", fontsize=8, loc="left"
        )
        draw_marks(ax, 1e3 * errors[key])
    axes[-1].set_xlabel(SIZE)
    return save(fig, path)


def draw_marks(ax, values):
    """Verticals at the mean, the 95th percentile and the largest of values (n,), each with its number at its head."""
    found = {
        "mean": values.mean(),
        "95th percentile": np.percentile(values, 95),
        "worst": values.max(),
    }
    across, (low, high) = ax.get_xaxis_transform(), np.log(ax.get_xlim())
    for (word, value), height, style in zip(found.items(), (0.76, 0.865, 0.97), ("-", "--", ":")):
        x = np.clip(value, *ax.get_xlim())
        ax.plot([x, x], [0, height], color=BLACK, lw=0.9, ls=style, transform=across)
        side, shift = (
            ("right", -3) if (np.log(x) - low) / (high - low) > 0.4 else ("left", 3)
        )  # where there is room
        style = {
            "textcoords": "offset points",
            "ha": side,
            "va": "top",
            "fontsize": 7,
            "path_effects": HALO,
        }
        ax.annotate(f"{word} {format_digits(value)}", (x, height), (shift, 0), xycoords=across, **style)


def make_panels(n, height, extra, word, sharey=True):
    """Figure and axes of n panels of that height in inches, at most four in a row, and extra inches; y is named by word."""
    columns = n if n < 5 else 3 if n < 7 else 4
    rows = -(-n // columns)
    size = (PAGE if columns > 1 else COLUMN, height * rows + extra)
    fig, axes = plt.subplots(rows, columns, figsize=size, sharey=sharey, squeeze=False)
    fig.get_layout_engine().set(w_pad=0.03, h_pad=0.03, hspace=0.02, wspace=0)
    for ax in axes.flat[n:]:
        ax.axis("off")
    for ax in axes[:, 0]:
        ax.set_ylabel(word)
    return fig, axes


def draw_error_by_label(values, errors, labels, path):
    """Mean |dF| (n,) of each star against each of its labels (n, n_labels), with median and 16th, 84th percentiles."""
    fig, axes = make_panels(len(labels), 1.85, 0.2, f"mean {SIZE}")
    shown, cells = scale_to_thousandths({"mean": errors})["mean"], []
    low, high = np.array(compute_span(np.log10(shown))) + [-0.1, 0.1]
    for j, (ax, one) in enumerate(zip(axes.flat, labels)):
        x = compute_span(values[:, j])
        cells.append(
            ax.hexbin(
                values[:, j], shown, gridsize=(36, 20), extent=(*x, low, high), yscale="log", **HEX
            )
        )
        centre, percentiles = compute_running_percentiles(values[:, j], shown)
        for line, width in zip(percentiles, (0.9, 1.2, 0.9)):
            ax.plot(centre, line, color=VERMILLION, lw=width, path_effects=HALO)
        ax.set(xlim=x, ylim=(10**low, 10**high), xlabel=one.axis)
        set_ticks((ax.xaxis,), 5)
        set_log_ticks(ax.yaxis)
    share_color_scale(fig, cells, axes)
    return save(fig, path)


def draw_derivatives(wave, network, nodes, scatter, labels, lines, path, medium="air"):
    """Mean d flux / d label (n_labels, n_pix) of generator and nodes; scatter (n_labels,) is their relative rms difference."""
    fig, axes = make_stacked_panels([max(compute_names_height(wave, lines), 0.02), *[0.95] * len(labels)], 0.55)
    axes[0].set(ylim=(1, 2))  # only for the names of lines, which stand above 1
    axes[0].axis("off")
    axes[0].set_title(
        "Mean change of the flux with a label: nodes (grey), generator (colour)",
        fontsize=8,
        loc="left",
        pad=1,
    )
    mark_lines(axes[0], wave, lines)
    plt.setp(axes[0].texts, y=1.16)  # so low an axes needs longer ticks
    axes[0].vlines([place for place, _ in find_lines_inside(wave, lines)], 1.03, 1.12, color="0.35", lw=0.6)
    for j, (ax, one) in enumerate(zip(axes[1:], labels)):
        step = 10.0 ** np.floor(
            np.log10(STEP / (1e3 * np.abs(nodes[j]).max() or STEP))
        )  # a change that shows
        curves = 1e3 * step * np.array([nodes[j], network[j]])
        ax.plot(wave, curves[0], color="0.76", lw=2.4)
        ax.plot(wave, curves[1], color=color(j), lw=0.8)
        set_symmetric_axis(ax, curves)
        ax.set_ylabel(
            f"$\\Delta f$ ($10^{{-3}}$)\nfor {step:g} {one.unit}\nin {one.symbol}", fontsize=7.5
        )
        left = curves[:, wave < wave[0] + 0.13 * np.ptp(wave)]
        y, upright = (
            (0.92, "top") if left.max() < -left.min() else (0.08, "bottom")
        )  # the emptier corner
        ax.text(
            0.015,
            y,
            f"{format_digits(100 * scatter[j])} % rms",
            transform=ax.transAxes,
            va=upright,
            fontsize=7.5,
            bbox=BOX,
        )
    finish_wavelength_axes(fig, axes, wave, lines, medium)
    return save(fig, path)


def draw_inferred_labels(errors, labels, path):
    """Residuals (n, n_labels) of labels inferred from {"synthesised", "generated"} spectra: histograms, a panel a label."""
    fig, axes = make_panels(len(labels), 1.75, 0.25, "stars per bin (%)", sharey=False)
    head = 0.06 + 0.09 * len(errors)  # the texts above the highest histogram
    for j, (ax, one) in enumerate(zip(axes.flat, labels)):
        both = np.abs(np.concatenate([residual[:, j] for residual in errors.values()]))
        limit = (
            1.1 * np.percentile(both, 99) or both.max() or 1.0
        )  # far outliers may leave the panel
        edges, peak = np.linspace(-limit, limit, 42), 0.0
        for i, (name, residual) in enumerate(errors.items()):
            d, c = residual[:, j], SOURCES[name]
            density = 100 * np.histogram(d, edges)[0] / len(d)  # of all stars, those outside too
            ax.stairs(density, edges, color=c, lw=0.9, label=f"{name} spectra")
            sigma = 1.4826 * np.median(np.abs(d - np.median(d)))
            text = f"$\\sigma_{{\\rm MAD}}$ {format_digits(sigma, 3)}, rms {format_digits(compute_rms(d), 3)}"
            ax.text(
                0.04, 0.96 - 0.09 * i, text, transform=ax.transAxes, color=c, va="top", fontsize=7.5
            )
            peak = max(peak, density.max())
        ax.set(
            xlim=(-limit, limit),
            ylim=(0, 1.03 * peak / (1 - head)),
            xlabel=rf"pred $-$ true {one.axis}",
        )
        set_ticks((ax.xaxis,), 5, symmetric=True)
        set_ticks((ax.yaxis,), 4)
    fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return save(fig, path)
