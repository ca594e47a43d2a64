"""Figures of a generator's fidelity are drawn at print size for any labels, lines and errors."""

import numpy as np
import pytest
from matplotlib.image import imread

from starlabels.base.labels import LABELS
from starlabels.plots import generator_errors, generator_spectra, plt

NAMES = ["teff", "logg", "vsini", "mh", "vmic", "resolving_power"]
LOW = np.array([3600, 2, 0, -1.5, 0, 5000])
HIGH = np.array([15000, 5, 300, 1.5, 4, 14500])
STEP = np.array([100, 0.1, 5, 0.1, 0.2, 500])
WAVE = np.arange(8400, 8800, 0.4)  # Angstrom
LINES = {
    "Ca II": [8498.0, 8542.1, 8662.1],
    "Paschen": [8467.3, 8502.5, 8545.4, 8598.4, 8665.0, 8750.5],
    "Fe I": [8514.1, 8582.3, 8621.6, 8688.6, 8757.2],
    "Mg I": [8806.8],
    "N I": [8680.3],
}
PAGE = 2127  # pixels: 7.09 inches at 300 dpi
COLUMN = 1038  # pixels: 3.46 inches at 300 dpi


def compute_flux(labels):
    """Flux (n, n_pix) of labels (n, 6).

    Lines of metals fade with teff and deepen with mh; those of hydrogen grow and widen with logg.
    """
    teff, logg, vsini, mh, vmic, resolving_power = labels.T[:, :, None]
    hot = 1 / (1 + np.exp((8500 - teff) / 900))
    metal = (1 + 0.1 * vmic) * (1 - hot) * 10 ** (0.3 * mh)
    depth = 0.0
    for name, places in LINES.items():
        strength, width = metal, 0.5 + vsini / 60 + 3000 / resolving_power
        if name == "Paschen":
            strength, width = 0.5 * hot, 2.0 * logg
        for place in places:
            profile = np.exp(-0.5 * ((WAVE - place) / width) ** 2) / np.sqrt(width)
            depth = depth + strength * profile
    return np.exp(-depth)


@pytest.fixture(scope="module")
def stars():
    """Labels (n, 6), synthesised and generated flux (n, n_pix); the coolest generated worst."""
    rng = np.random.default_rng(0)
    labels = rng.uniform(LOW, HIGH, (300, 6))
    error = 0.2 * STEP * rng.normal(size=(300, 6)) * (1 + 3000 / labels[:, :1])
    return labels, compute_flux(labels), compute_flux(np.clip(labels + error, LOW, HIGH))


def draw_figures(stars, lines, folder, n_labels=6, n_stars=4):
    """{name: path} of the six figures, drawn in a folder."""
    values, truth, generated = stars
    labels = [LABELS[name] for name in NAMES][:n_labels]
    error = np.abs(generated - truth)
    size = error.mean(axis=1)
    rows = np.argsort(size)[:: -(-len(error) // n_stars)]
    p95 = np.percentile(error, 95, axis=0)
    by_pixel = {"mean": error.mean(axis=0), "p95": p95, "worst": error.max(axis=0)}
    by_star = {"mean": size, "max": error.max(axis=1)}
    changes = [
        (compute_flux(values + s) - compute_flux(values)).mean(axis=0) for s in np.diag(STEP)
    ]
    nodes = np.array(changes) / STEP[:, None]
    network = nodes * (1 + error.max())
    residuals = {
        "synthesised": 0.01 * (values - values.mean(axis=0))[:, :n_labels],
        "generated": 0.012 * (values - np.median(values, axis=0))[:, :n_labels],
    }
    titles = [f"{teff:.0f} K" for teff in values[rows, 0]]
    scatter = np.full(n_labels, error.max())
    names = ("pairs", "wavelength", "stars", "labels", "derivatives", "inferred")
    paths = {name: folder / "new" / f"{name}.png" for name in names}
    pair = (truth[rows], generated[rows])
    derivatives = (network[:n_labels], nodes[:n_labels], scatter, labels)
    mean_flux = truth.mean(axis=0)
    drawn = [
        generator_spectra.draw_spectrum_pairs(WAVE, *pair, titles, lines, paths["pairs"]),
        generator_spectra.draw_error_by_wavelength(
            WAVE, mean_flux, by_pixel, lines, paths["wavelength"]
        ),
        generator_errors.draw_error_distribution(by_star, paths["stars"]),
        generator_errors.draw_error_by_label(values[:, :n_labels], size, labels, paths["labels"]),
        generator_spectra.draw_derivatives(WAVE, *derivatives, lines, paths["derivatives"]),
        generator_errors.draw_inferred_labels(residuals, labels, paths["inferred"]),
    ]
    assert drawn == list(paths.values())
    return paths


@pytest.fixture
def low_dpi(monkeypatch):
    """Draw few pixels: faster, where only errors and warnings are tested."""
    monkeypatch.setitem(plt.rcParams, "savefig.dpi", 40)


def read_widths(paths):
    """{name: width in pixels} of figures; their folder holds nothing else, and they are PNG."""
    [folder] = {path.parent for path in paths.values()}
    assert set(folder.iterdir()) == set(paths.values())
    assert all(path.read_bytes().startswith(b"\x89PNG\r\n") for path in paths.values())
    return {name: imread(path).shape[1] for name, path in paths.items()}


@pytest.mark.slow
def test_figures_are_as_wide_as_a_page_or_a_column_and_leave_nothing_else(stars, tmp_path):
    widths = read_widths(draw_figures(stars, LINES, tmp_path))
    assert widths.pop("stars") == COLUMN
    assert len(widths) == 5 and set(widths.values()) == {PAGE}


@pytest.mark.slow
@pytest.mark.filterwarnings("error")
def test_figures_of_one_star_one_label_and_no_named_line_are_drawn(stars, tmp_path):
    paths = draw_figures(stars, {"Mg I": [8806.8]}, tmp_path, n_labels=1, n_stars=1)
    widths = read_widths(paths)
    assert widths["labels"] == widths["inferred"] == COLUMN


@pytest.mark.slow
@pytest.mark.filterwarnings("error")
def test_a_generator_without_error_is_drawn(stars, tmp_path, low_dpi):
    labels, truth, _ = stars
    read_widths(draw_figures((labels, truth, truth), LINES, tmp_path, n_labels=2, n_stars=1))


@pytest.mark.slow
@pytest.mark.filterwarnings("error")
def test_equal_stars_without_lines_are_drawn(tmp_path, low_dpi):
    labels = np.full((300, 6), 0.5 * (LOW + HIGH))
    flux = np.ones((300, len(WAVE)))
    paths = draw_figures((labels, flux, flux), {}, tmp_path, n_labels=1, n_stars=1)
    zero = np.zeros((1, len(WAVE)))
    derivatives = (zero, zero, np.array([np.nan]), [LABELS["vmic"]])
    generator_spectra.draw_derivatives(WAVE, *derivatives, LINES, paths["derivatives"])
    read_widths(paths)


def test_worst_lines_have_the_largest_errors_and_of_two_close_lines_the_worse_is_named():
    error = 0
    for place, size in ((8498.5, 2.0), (8502.5, 3.0), (8680.3, 1.0)):
        error = error + size * np.exp(-0.5 * ((WAVE - place) / 0.5) ** 2)
    lines = generator_spectra.find_worst_lines(WAVE, error, LINES)[:2]
    assert [(name, place) for _, name, place in lines] == [("Paschen", 8502.5), ("N I", 8680.3)]
    np.testing.assert_allclose(WAVE[[i for i, _, _ in lines]], [8502.5, 8680.3], atol=0.4)


def test_numbers_in_figures_have_two_digits_and_no_exponent():
    texts = [generator_errors.format_digits(x) for x in (0.0, 3.0, 0.000123, 26.6, 12345.6)]
    assert texts == ["0.0", "3.0", "0.00012", "27", "12000"]
    assert generator_errors.format_digits(np.float32(0.6), 3) == "0.600"


def test_tick_of_a_symmetric_axis_is_round_and_inside():
    fig, ax = plt.subplots()
    generator_spectra.set_symmetric_axis(ax, np.array([-0.3, 2.0]))
    plt.close(fig)
    assert ax.get_ylim() == (-2.3, 2.3)
    np.testing.assert_allclose(ax.get_yticks(), [-1, 0, 1])
