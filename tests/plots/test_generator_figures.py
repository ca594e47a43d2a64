"""The figures of a generator's fidelity: drawn at print size whatever the labels, the lines and the errors."""

import numpy as np
import pytest
from matplotlib.image import imread

from starlabels.base.labels import LABELS

NAMES = ["teff", "logg", "vsini", "mh", "vmic", "resolving_power"]
LOW, HIGH = np.array([[3600, 2, 0, -1.5, 0, 5000], [15000, 5, 300, 1.5, 4, 14500]])
STEP = np.array([100, 0.1, 5, 0.1, 0.2, 500])
WAVE = np.arange(8400, 8800, 0.4)  # Angstrom
LINES = {
    "Ca II": [8498.0, 8542.1, 8662.1],
    "Paschen": [8467.3, 8502.5, 8545.4, 8598.4, 8665.0, 8750.5],
    "Fe I": [8514.1, 8582.3, 8621.6, 8688.6, 8757.2],
    "Mg I": [8806.8],
    "N I": [8680.3],
}
PAGE, COLUMN = 2127, 1038  # pixels: 7.09 and 3.46 inches at 300 dpi


def flux_of(labels):
    """Flux (n, n_pix): lines of metals fade with teff and deepen with mh, those of hydrogen grow and widen with logg."""
    teff, logg, vsini, mh, vmic, resolving_power = labels.T[:, :, None]
    hot, depth = 1 / (1 + np.exp((8500 - teff) / 900)), 0.0
    for name, places in LINES.items():
        for place in places:
            strength = (
                0.5 * hot if name == "Paschen" else (1 + 0.1 * vmic) * (1 - hot) * 10 ** (0.3 * mh)
            )
            width = 2.0 * logg if name == "Paschen" else 0.5 + vsini / 60 + 3000 / resolving_power
            depth = depth + strength * np.exp(-0.5 * ((WAVE - place) / width) ** 2) / np.sqrt(width)
    return np.exp(-depth)


@pytest.fixture(scope="module")
def stars():
    """Labels (n, 6), synthesised and generated flux (n, n_pix) of test stars, the coolest generated worst."""
    rng = np.random.default_rng(0)
    labels = rng.uniform(LOW, HIGH, (300, 6))
    error = 0.2 * STEP * rng.normal(size=(300, 6)) * (1 + 3000 / labels[:, :1])
    return labels, flux_of(labels), flux_of(np.clip(labels + error, LOW, HIGH))


def figures(stars, lines, folder, n_labels=6, n_stars=4):
    """{name: path} of the six figures, drawn in a folder."""
    from starlabels.plots import generator_errors

    values, truth, generated = stars
    labels, error = [LABELS[name] for name in NAMES][:n_labels], np.abs(generated - truth)
    rows, size = np.argsort(error.mean(axis=1))[:: -(-len(error) // n_stars)], error.mean(axis=1)
    by_pixel = {
        "mean": error.mean(axis=0),
        "p95": np.percentile(error, 95, axis=0),
        "worst": error.max(axis=0),
    }
    nodes = (
        np.array(
            [(flux_of(values + step) - flux_of(values)).mean(axis=0) for step in np.diag(STEP)]
        )
        / STEP[:, None]
    )
    residuals = {
        "synthesised": values - values.mean(axis=0),
        "generated": 1.2 * (values - np.median(values, axis=0)),
    }
    residuals = {name: 0.01 * residual[:, :n_labels] for name, residual in residuals.items()}
    titles, network = [f"{t:.0f} K" for t in values[rows, 0]], nodes * (1 + error.max())
    scatter = np.full(n_labels, error.max())
    paths = {
        name: folder / "new" / f"{name}.png"
        for name in ("over", "wavelength", "stars", "labels", "derivatives", "inferred")
    }
    drawn = [
        generator_errors.draw_spectrum_pairs(
            WAVE, truth[rows], generated[rows], titles, lines, paths["over"]
        ),
        generator_errors.draw_error_by_wavelength(
            WAVE, truth.mean(axis=0), by_pixel, lines, paths["wavelength"]
        ),
        generator_errors.draw_error_distribution(
            {"mean": size, "max": error.max(axis=1)}, paths["stars"]
        ),
        generator_errors.draw_error_by_label(values[:, :n_labels], size, labels, paths["labels"]),
        generator_errors.draw_derivatives(
            WAVE, network[:n_labels], nodes[:n_labels], scatter, labels, lines, paths["derivatives"]
        ),
        generator_errors.draw_inferred_labels(residuals, labels, paths["inferred"]),
    ]
    assert drawn == list(paths.values())
    return paths


def widths(paths):
    """{name: width in pixels} of figures; their folder holds nothing else, and they are PNG."""
    assert {path.name for one in paths.values() for path in one.parent.iterdir()} == {
        path.name for path in paths.values()
    }
    assert all(path.read_bytes().startswith(b"\x89PNG\r\n") for path in paths.values())
    return {name: imread(path).shape[1] for name, path in paths.items()}


def test_figures_are_as_wide_as_a_page_or_a_column_and_leave_nothing_else(stars, tmp_path):
    assert widths(figures(stars, LINES, tmp_path)) == {
        "over": PAGE,
        "wavelength": PAGE,
        "stars": COLUMN,
        "labels": PAGE,
        "derivatives": PAGE,
        "inferred": PAGE,
    }


@pytest.mark.filterwarnings("error")
def test_figures_of_one_star_one_label_and_no_named_line_are_drawn(stars, tmp_path):
    found = widths(figures(stars, {"Mg I": [8806.8]}, tmp_path, n_labels=1, n_stars=1))
    assert found["labels"] == found["inferred"] == COLUMN


@pytest.mark.filterwarnings("error")
def test_a_generator_without_error_is_drawn(stars, tmp_path):
    labels, truth, _ = stars
    widths(figures((labels, truth, truth), LINES, tmp_path, n_labels=2, n_stars=1))


@pytest.mark.filterwarnings("error")
def test_stars_all_alike_without_lines_are_drawn(tmp_path):
    from starlabels.plots import generator_errors

    labels, flux = np.full((300, 6), 0.5 * (LOW + HIGH)), np.ones((300, len(WAVE)))
    paths = figures((labels, flux, flux), {}, tmp_path, n_labels=1, n_stars=1)
    nothing = np.zeros((1, len(WAVE)))
    generator_errors.draw_derivatives(
        WAVE, nothing, nothing, np.array([np.nan]), [LABELS["vmic"]], LINES, paths["derivatives"]
    )
    widths(paths)


def test_worst_lines_are_those_of_largest_error_and_of_two_close_ones_the_worse():
    from starlabels.plots.generator_errors import find_worst_lines

    error = sum(
        size * np.exp(-0.5 * ((WAVE - place) / 0.5) ** 2)
        for place, size in ((8498.5, 2.0), (8502.5, 3.0), (8680.3, 1.0))
    )
    found = find_worst_lines(WAVE, error, LINES)
    assert [(name, place) for _, name, place in found[:2]] == [("Paschen", 8502.5), ("N I", 8680.3)]
    np.testing.assert_allclose(WAVE[[i for i, _, _ in found[:2]]], [8502.5, 8680.3], atol=0.4)


def test_numbers_in_figures_have_two_digits_and_no_exponent():
    from starlabels.plots.generator_errors import format_digits

    assert [format_digits(value) for value in (0.0, 3.0, 0.000123, 26.6, 12345.6)] == [
        "0.0",
        "3.0",
        "0.00012",
        "27",
        "12000",
    ]
    assert format_digits(np.float32(0.6), 3) == "0.600"


def test_tick_of_a_symmetric_axis_is_round_and_inside():
    from starlabels.plots import plt
    from starlabels.plots.generator_errors import set_symmetric_axis

    fig, ax = plt.subplots()
    set_symmetric_axis(ax, np.array([-0.3, 2.0]))
    plt.close(fig)
    assert ax.get_ylim() == (-2.3, 2.3)
    np.testing.assert_allclose(ax.get_yticks(), [-1, 0, 1])
