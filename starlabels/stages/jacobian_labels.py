"""jacobian: what the network reads, d label / d flux, beside what the atmosphere writes, d flux / d label."""

import numpy as np

from starlabels.base import hdf5
from starlabels.base.console import show_progress
from starlabels.base.labels import get_label
from starlabels.stages import load_model, locks, recipe_nodes

BATCH = 50
WINDOW = 5.0  # Angstrom
STRONGEST = 10  # windows listed
IDEAL_SNR = 100  # of the best linear estimator that the network is compared with, if it does not measure the noise


@locks.require_lock("lock")
def average_jacobians(run, args=None):
    """Write jacobian.h5 and jacobian*.png, print the strongest windows; UserError if an input is missing or stale."""
    cfg, paths, digest = run.cfg, run.paths, run.digest("jacobian")
    with run.open("2_preprocess") as h5:
        model = load_model.load_trained_model(run)
        axis, units, flux = hdf5.read_axis(h5), hdf5.label_units(h5["test"]), h5["test/flux"]
        n = min(cfg.jacobian.n_stars, len(flux))
        table = h5["test/features"][:n] if cfg.features else np.empty((n, 0), "f4")
        found = moments(
            each_batch(
                model,
                flux,
                table,
                ideal_snr(cfg),
                recipe_nodes.build_sensitivity_or_none(cfg, h5["test"], axis.wave),
            )
        )
    inputs = {paths.model_dir: model.digest}
    save_moments(run, found, axis, n, digest, inputs)
    print_windows(axis.wave, found["network"]["mean_abs"], cfg.labels, cfg.jacobian.lines)
    windows = [(model.windows or {}).get(name, ()) for name in cfg.labels]
    labels = [get_label(name, units[name]) for name in cfg.labels]
    with run.figures("jacobian*.png", inputs) as folder:
        draw_jacobians(found, axis, labels, windows, n, cfg, folder)
    print(f"{n} Jacobians averaged: {paths.jacobian}, {paths.figure_dir}/jacobian*.png")


def ideal_snr(cfg):
    """S/N of the ideal estimator: that at which the network takes noise-free spectra to be, the greatest of its training."""
    knows = cfg.preprocess.components and cfg.train.noise
    return cfg.train.noise.snr_max if knows else IDEAL_SNR


def each_batch(model, flux, table, snr, sensitivity):
    """For each batch of stars {flux, network and ideal (d label / d flux), sensitivity (d flux / d label)}.

    table (n, k): the features that the model reads beside the flux, none if k is 0; their derivatives are left out.
    """
    n = len(table)
    for start in show_progress(range(0, n, BATCH), "Jacobians"):
        rows = slice(start, min(start + BATCH, n))
        spectra = flux[rows]
        found = jacobian(
            model.model, np.concatenate([spectra, table[rows]], axis=1), len(model.std)
        )
        batch = {"flux": spectra, "network": found[:, :, : spectra.shape[1]] * model.std[:, None]}
        if sensitivity:
            batch["sensitivity"] = sensitivity(rows)
            batch["ideal"] = ideal(batch["sensitivity"], model.std, spectra.mean(axis=1) / snr)
        yield batch


def ideal(sensitivity, std, sigma):
    """d label / d flux (n, n_labels, n_pix) of the best linear estimator in white noise sigma (n,).

    sensitivity: d flux / d label (n, n_labels, n_pix) of labels that scatter by std (n_labels,) before the spectrum is
    seen. In little noise this is least squares, which reaches the Cramér-Rao bound.
    """
    scaled = sensitivity * (std[:, None] / sigma[:, None, None])
    information = scaled @ scaled.swapaxes(1, 2)  # (n, n_labels, n_labels)
    return np.linalg.solve(information + np.eye(len(std)), scaled) * (
        std[:, None] / sigma[:, None, None]
    )


def moments(batches):
    """{name: {mean, std, mean_abs}} over the rows of batches {name: (n, ..., n_pix)}, one in memory at a time."""
    sums, n = {}, 0
    for batch in batches:
        n += len(batch["flux"])
        for name, values in batch.items():
            sums[name] = sums.get(name, 0) + np.array(
                [power.sum(axis=0) for power in (values, values**2, abs(values))], float
            )
    found = {}
    for name, (total, square, absolute) in sums.items():
        variance = np.maximum(square / n - (total / n) ** 2, 0)
        found[name] = {"mean": total / n, "std": np.sqrt(variance), "mean_abs": absolute / n}
    return found


def jacobian(model, flux, n_labels):
    """d output / d flux (n, n_labels, n_pix) of the first n_labels outputs of a model whose rows do not mix."""
    import keras

    return BACKENDS[keras.backend.backend()](model, flux, n_labels)


def by_tensorflow(model, flux, n_labels):
    """As rows do not mix, the gradient of one output summed over the batch is that output's gradient in every row."""
    import tensorflow as tf

    x = tf.convert_to_tensor(flux)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        totals = tf.unstack(tf.reduce_sum(model(x, training=False), axis=0)[:n_labels])
    return np.stack([tape.gradient(total, x) for total in totals], axis=1)


def by_jax(model, flux, n_labels):
    """As by_tensorflow."""
    import jax

    rows = jax.jacrev(lambda x: model(x, training=False).sum(axis=0)[:n_labels])(
        flux
    )  # (n_labels, n, n_pix)
    return np.swapaxes(np.asarray(rows), 0, 1)


def by_torch(model, flux, n_labels):
    """As by_tensorflow."""
    import torch

    x = torch.tensor(flux, requires_grad=True)
    totals = model(x, training=False).sum(dim=0)[:n_labels]
    return np.stack(
        [torch.autograd.grad(total, x, retain_graph=True)[0].cpu().numpy() for total in totals],
        axis=1,
    )


BACKENDS = {"tensorflow": by_tensorflow, "jax": by_jax, "torch": by_torch}


def windows(wave, strength):
    """First wavelengths (k,) of the strongest windows of strength (n_pix,), by its mean in each, strongest first."""
    index = ((wave - wave[0] + 1e-6) // WINDOW).astype(int)
    mean = np.bincount(index, strength) / np.bincount(index)
    return wave[0] + WINDOW * np.argsort(-mean)[:STRONGEST]


def print_windows(wave, mean_abs, names, lines):
    """Print for each label the windows where the mean |d label / d flux| is largest, with the named lines in them."""
    print(f"windows of {WINDOW:g} A with the largest mean |d label / d flux|, strongest first:")
    columns = [
        [f"{low:.0f} {named(lines, low, low + WINDOW)}" for low in windows(wave, row)]
        for row in mean_abs
    ]
    for row in [names, *zip(*columns)]:
        print("".join(f"{cell:<20}" for cell in row).rstrip())


def named(lines, low, high):
    """The named lines with low <= wavelength < high."""
    return ", ".join(
        name for name, places in lines.items() if any(low <= place < high for place in places)
    )


def save_moments(run, found, axis, n, digest, inputs):
    """Write mean, std and mean_abs of each of `each_batch`'s arrays, and the wavelengths, an hdf5.Axis."""
    with run.create("jacobian", digest, inputs) as out:
        hdf5.write_wave(out, *axis)
        out.attrs.update({"labels": run.cfg.labels, "n_stars": n})
        for name, group in found.items():
            for moment, values in group.items():
                hdf5.write(out, f"{name}/{moment}", values.astype("f4"))


def draw_jacobians(found, axis, labels, windows, n, cfg, folder):
    """Write the figures jacobian*.png, with the windows [(low, high), ...] in A that each label has."""
    from starlabels.plots import jacobian as plots

    lines = cfg.jacobian.lines
    plots.draw_jacobian(
        axis.wave, found, labels, lines, windows, n, folder / "jacobian.png", axis.medium
    )
    plots.draw_line_closeups(
        axis.wave,
        found,
        labels,
        lines,
        windows,
        ideal_snr(cfg),
        folder / "jacobian_zoom.png",
        axis.medium,
    )
