"""4_test: predictions of a trained model for the test stars, with and without added noise."""

import numpy as np

from starlabels.base import hdf5_labels, hdf5_spectra
from starlabels.base.console import format_count
from starlabels.base.errors import UserError
from starlabels.catalogues.derived_labels import find_derived
from starlabels.learning.calibration import NOISE_FREE

BATCH = 256  # stars


def predict_ranges(model, test, cfg):
    """Predict k test stars in each S/N range of the recipe, and without added noise.

    Returns
    -------
    dict
        {range: arrays}: `mean`, `err`, `true` and `true_err` (k, n_labels), with 0 for unknown
        true errors; `flags`, `snr` and `sigma`, the noise per pixel, (k,). Models without errors
        give no `err`.
    """
    from starlabels.learning.batches import SpectrumBatches
    from starlabels.learning.noisy_spectra import uniform_snr

    true = hdf5_labels.read_labels(test, cfg.labels)[: cfg.test.n_stars]
    n = len(true)
    if model.offset:
        slope = find_derived(cfg.labels).compute_slope(test)
        true = true - model.offset * slope[:n, None].astype("f4")
    true_err = np.nan_to_num(hdf5_labels.read_label_errors(test, cfg.labels)[:n])
    level = compute_mean_flux(test["flux"], n) if cfg.wave else np.full(n, np.nan)
    spectra = open_test_spectra(test, cfg)
    ranges = {f"{low:g}_{high:g}": uniform_snr(low, high) for low, high in cfg.test.snr}
    predictions = {}
    for key, draw_snr in {**ranges, NOISE_FREE: None}.items():
        batches = SpectrumBatches(spectra, true, BATCH, draw_snr, seed=(cfg.seed, *key.encode()))
        snr = batches.snr.astype("f4")
        known = {"true": true, "true_err": true_err, "snr": snr, "sigma": level / snr}
        predictions[key] = model.predict(batches, snr) | known
    return predictions


def open_test_spectra(test, cfg):
    """The spectra of a part, with their features, in the form that batches read."""
    from starlabels.learning.noisy_spectra import PixelSpectra, SpectraWithFeatures

    missing = cfg.train.noise.missing if cfg.train.noise else 0.0
    spectra = PixelSpectra(test["flux"], cfg.preprocess.blocks, missing) if cfg.wave else None
    return SpectraWithFeatures(spectra, test["features"][:]) if cfg.features else spectra


def read_reference(test, cfg):
    """Other estimates of the labels, from the columns of test.reference; None if it is null.

    {mean, true: (k, n_labels)}, NaN without an estimate. UserError if a column is absent.
    """
    if not cfg.test.reference:
        return None
    names = list(cfg.test.reference.values())
    columns = dict(zip(cfg.test.reference, hdf5_labels.read_columns(test, names)))
    if missing := [cfg.test.reference[name] for name in columns if columns[name] is None]:
        what = f"{test.file.filename} has no column {', '.join(missing)}"
        raise UserError(f"{what}: correct test.reference")
    true = hdf5_labels.read_labels(test, cfg.labels)[: cfg.test.n_stars]
    blank = np.full(len(test["labels/value"]), np.nan)
    estimates = np.column_stack([columns.get(name, blank) for name in cfg.labels])
    return {"mean": estimates[: len(true)], "true": true}


def predict_generated(model, test, cfg):
    """Predictions for noise-free spectra that test.generator makes of the test labels.

    UserError if the generator does not fit the recipe. Stars outside its range are dropped.
    """
    from starlabels.learning import generator

    path = cfg.test.generator
    made = generator.open_folder(path)
    check_wavelengths(path, made, hdf5_spectra.read_axis(test.file))
    columns = dict(zip(made.names, hdf5_labels.read_columns(test, made.names)))
    if missing := [name for name, column in columns.items() if column is None]:
        what = f"{path} needs {', '.join(missing)} too"
        raise UserError(f"{what}, which the test stars do not have: use another one")
    values = np.column_stack(list(columns.values()))[: cfg.test.n_stars]
    inside = ((values >= made.low) & (values <= made.high)).all(axis=1)
    if not inside.all():
        n_outside = format_count(int((~inside).sum()))
        print(
            f"{n_outside} of {format_count(len(inside))} test stars lie outside the range of {path}"
        )
    true = hdf5_labels.read_labels(test, cfg.labels)[: len(inside)][inside]
    values = values[inside]
    parts = []
    for start in range(0, len(values), generator.CHUNK):
        flux = made.flux(values[start : start + generator.CHUNK])
        parts.append(model.predict(flux, np.full(len(flux), np.inf)))
    predictions = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return predictions | {"true": true}


def check_wavelengths(path, made, axis):
    """UserError if a generator has other wavelengths than the spectra of the recipe."""
    same = len(made.wave) == len(axis.wave) and made.medium == axis.medium
    if same and np.allclose(made.wave, axis.wave, atol=1e-3):
        return
    ours, theirs = (
        f"{a.wave[0]:g} to {a.wave[-1]:g} A in {a.medium} in {len(a.wave)} pixels"
        for a in (axis, made)
    )
    hint = "use one of the same `wave`"
    raise UserError(f"{path} makes spectra of {theirs}, the recipe's have {ours}: {hint}")


def compute_mean_flux(flux, n):
    """Mean (n,) of each of the first n spectra of a dataset, with one batch in memory at a time."""
    batches = [slice(start, min(start + BATCH, n)) for start in range(0, n, BATCH)]
    return np.concatenate([flux[rows].mean(axis=1) for rows in batches])
