"""jacobian.py for target labels: which lines the network reads, against the synthetic spectra."""

import re

import numpy as np

from starlabels.base import hdf5, hdf5_labels, hdf5_spectra
from starlabels.base.console import show_progress
from starlabels.base.labels import get_label
from starlabels.learning.jacobians import compute_jacobian
from starlabels.stages import load_model, locks, recipe_nodes, score_metrics

BATCH = 50  # stars
ALL = ""
LEAST_STARS = 10  # of a subset; fewer are not drawn apart
WINDOW = 5.0  # Angstrom
N_WINDOWS = 10  # strongest windows in the printed list
IDEAL_SNR = 100  # of the ideal estimator, for networks that do not measure the noise


@locks.require_lock("lock")
def average_jacobians(run, args=None):
    """Write jacobian.h5 and jacobian*.png, and print the windows with the largest derivatives.

    Raises
    ------
    UserError
        If an input is missing or stale.
    """
    cfg, paths, digest = run.cfg, run.paths, run.digest("jacobian")
    with run.open("2_preprocess") as h5:
        model = load_model.load_trained_model(run)
        test = h5["test"]
        axis, units = hdf5_spectra.read_axis(h5), hdf5_labels.read_label_units(test)
        flux = test["flux"]
        n = min(cfg.jacobian.n_stars, len(flux))
        features = test["features"][:n] if cfg.features else np.empty((n, 0), "f4")
        sensitivity = recipe_nodes.build_sensitivity_or_none(cfg, test, axis.wave)
        batches = iterate_jacobians(model, flux, features, get_ideal_snr(cfg), sensitivity)
        columns = dict(zip(units, hdf5_labels.read_labels(test, units)[:n].T))
        masks = {ALL: np.ones(n, bool)} | find_subsets(cfg, columns, n)
        subsets = compute_subset_moments(batches, masks)
    moments = subsets.pop(ALL)
    inputs = {paths.model_dir: model.digest}
    save_moments(run, moments, axis, n, digest, inputs)
    lines = cfg.get_lines(axis.medium)
    print_windows(axis.wave, moments["network"]["mean_abs"], cfg.labels, lines)
    windows = [(model.windows or {}).get(name, ()) for name in cfg.labels]
    labels = [get_label(name, units[name]) for name in cfg.labels]
    with run.figures("jacobian*.png", inputs) as folder:
        draw_jacobians(moments, axis, labels, windows, n, cfg, folder)
        for name, some in subsets.items():
            counted = f"{int(masks[name].sum())} {name.removesuffix(' stars')}"
            path = folder / f"jacobian_{make_slug(name)}.png"
            draw_average(some, axis, labels, windows, counted, cfg, path)
    print(f"{n} Jacobians averaged: {paths.jacobian}, {paths.figure_dir}/jacobian*.png")


def get_ideal_snr(cfg):
    """S/N of the ideal estimator: the largest of the training if the network measures the noise."""
    measures_noise = cfg.preprocess.components and cfg.train.noise
    return cfg.train.noise.snr_max if measures_noise else IDEAL_SNR


def iterate_jacobians(model, flux, features, snr, sensitivity):
    """Yield per batch of stars: flux, network and ideal d label / d flux, and the sensitivity.

    Parameters
    ----------
    model : TrainedModel
    flux : dataset (n_stars, n_pix)
    features : array (n, k)
        Features of the first n stars, for models that read a table; not differentiated.
    snr : float
        S/N of the ideal estimator.
    sensitivity : callable or None
        Function(rows) that returns d flux / d label (n_rows, n_labels, n_pix) of the nodes.
    """
    n = len(features)
    for start in show_progress(range(0, n, BATCH), "Jacobians"):
        rows = slice(start, min(start + BATCH, n))
        spectra = flux[rows]
        inputs = np.concatenate([spectra, features[rows]], axis=1)
        jacobian = compute_jacobian(model.model, inputs, len(model.std))
        network = jacobian[:, :, : spectra.shape[1]] * model.std[:, None]
        batch = {"flux": spectra, "network": network}
        if sensitivity:
            batch["sensitivity"] = sensitivity(rows)
            sigma = spectra.mean(axis=1) / snr
            batch["ideal"] = compute_ideal_jacobian(batch["sensitivity"], model.std, sigma)
        yield batch


def compute_ideal_jacobian(sensitivity, std, sigma):
    """d label / d flux (n, n_labels, n_pix) of the best linear estimator in white noise sigma (n,).

    sensitivity: d flux / d label (n, n_labels, n_pix); std (n_labels,): prior scatter of the
    labels. In the limit of little noise this is least squares, which reaches the Cramér-Rao bound.
    """
    weights = std[:, None] / sigma[:, None, None]
    scaled = sensitivity * weights
    information = scaled @ scaled.swapaxes(1, 2)  # (n, n_labels, n_labels)
    return np.linalg.solve(information + np.eye(len(std)), scaled) * weights


def find_subsets(cfg, columns, n):
    """{name: mask (n,)} of the subsets of the recipe that have LEAST_STARS of the n stars.

    columns: {label: values (n,)}. UserError if a condition cannot be evaluated.
    """
    subsets = cfg.jacobian.subsets or {}
    masks = score_metrics.choose_subsets("jacobian.subsets", subsets, columns, n)
    return {name: mask for name, mask in masks.items() if mask.sum() >= LEAST_STARS}


def make_slug(name):
    """Name of a subset as a part of a file name."""
    return re.sub(r"[^A-Za-z0-9.-]+", "_", name).strip("_") or "subset"


def compute_subset_moments(batches, masks):
    """{subset: {name: {mean, std, mean_abs}}} over the stars of batches {name: (n, ..., n_pix)}.

    masks: {subset: (n_stars,) of bool}, the stars of all batches one after the other.
    """
    sums, first = {subset: {} for subset in masks}, 0
    for batch in batches:
        rows = slice(first, first + len(batch["flux"]))
        first = rows.stop
        for name, values in batch.items():
            for subset, mask in masks.items():
                some = values[mask[rows]]
                powers = (some, some**2, abs(some))
                totals = np.array([power.sum(axis=0) for power in powers], float)
                sums[subset][name] = sums[subset].get(name, 0) + totals
    return {subset: finish_moments(sums[subset], mask.sum()) for subset, mask in masks.items()}


def finish_moments(sums, n):
    """{name: {mean, std, mean_abs}} of sums {name: (3, ..., n_pix)} over n stars."""
    moments = {}
    for name, (total, square, absolute) in sums.items():
        variance = np.maximum(square / n - (total / n) ** 2, 0)
        moments[name] = {"mean": total / n, "std": np.sqrt(variance), "mean_abs": absolute / n}
    return moments


def find_windows(wave, strength):
    """Lower ends (k,) of the windows with the largest mean strength (n_pix,), strongest first."""
    index = ((wave - wave[0] + 1e-6) // WINDOW).astype(int)
    mean = np.bincount(index, strength) / np.bincount(index)
    return wave[0] + WINDOW * np.argsort(-mean)[:N_WINDOWS]


def print_windows(wave, mean_abs, names, lines):
    """Print per label the windows with the largest mean |d label / d flux|, and their lines."""
    print(f"windows of {WINDOW:g} A with the largest mean |d label / d flux|, strongest first:")
    columns = []
    for strength in mean_abs:
        starts = find_windows(wave, strength)
        columns.append([f"{low:.0f} {list_lines(lines, low, low + WINDOW)}" for low in starts])
    for row in [names, *zip(*columns)]:
        print("".join(f"{cell:<20}" for cell in row).rstrip())


def list_lines(lines, low, high):
    """Names of the lines with low <= wavelength < high."""
    inside = [name for name, waves in lines.items() if any(low <= wave < high for wave in waves)]
    return ", ".join(inside)


def save_moments(run, moments, axis, n, digest, inputs):
    """Write the moments of `compute_moments` and the wavelengths, a hdf5_spectra.SpectralAxis."""
    with run.create("jacobian", digest, inputs) as h5:
        hdf5_spectra.write_wave(h5, *axis)
        h5.attrs.update({"labels": run.cfg.labels, "n_stars": n})
        for name, group in moments.items():
            for moment, values in group.items():
                hdf5.write_dataset(h5, f"{name}/{moment}", values.astype("f4"))


def draw_jacobians(moments, axis, labels, windows, n, cfg, folder):
    """Draw jacobian*.png; windows: per label [(low, high), ...] in A that the network may read."""
    from starlabels.plots import jacobian as plots

    wave, medium = axis.wave, axis.medium
    lines = cfg.get_lines(medium)
    draw_average(moments, axis, labels, windows, n, cfg, folder / "jacobian.png")
    path = folder / "jacobian_zoom.png"
    plots.draw_line_closeups(
        wave, moments, labels, lines, windows, get_ideal_snr(cfg), path, medium
    )


def draw_average(moments, axis, labels, windows, n, cfg, path):
    """Draw the averages over n stars, a number or a text such as "80 A", as a PNG file."""
    from starlabels.plots import jacobian as plots

    lines = cfg.get_lines(axis.medium)
    plots.draw_jacobian(axis.wave, moments, labels, lines, windows, n, path, axis.medium)
