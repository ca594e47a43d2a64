"""4_test: labels of the network, and of one Gauss-Newton step on the nodes from there."""

import numpy as np

from starlabels.base import hdf5_spectra
from starlabels.config.data_sections import Range
from starlabels.learning.calibration import NOISE_FREE
from starlabels.stages import recipe_nodes, score_held_out, score_metrics
from starlabels.synthesis.gauss_newton import improve_labels

BATCH = 128  # stars: each needs nine spectra


def score_refined_or_none(cfg, model, h5, predictions):
    """`score_refined`; None if the recipe asks for none, or, with a printed reason, cannot."""
    if not cfg.test.refine or not cfg.grid or not cfg.wave:
        return None
    varied = [name for name, entry in cfg.grid.labels.items() if isinstance(entry, Range)]
    if hidden := [name for name in varied if name not in cfg.labels]:
        reason = f"{', '.join(hidden)} is not among the labels"
    elif cfg.preprocess.observed or not all(
        "crlb" in part or key == NOISE_FREE for key, part in predictions.items()
    ):
        reason = "the spectra are not those of the nodes alone"
    elif not model.calibration:
        reason = "the network predicts no errors"
    else:
        return score_refined(cfg, model, h5, predictions)
    print(f"test.refine: no refinement on the nodes: {reason}")
    return None


def score_refined(cfg, model, h5, predictions):
    """Scores of the first test stars with a Gauss-Newton step, and without.

    Parameters
    ----------
    cfg : Config
        test.refine is the number of stars.
    model : TrainedModel
    h5 : h5py.File
        Open 2_prepared.h5.
    predictions : dict
        {range of S/N: arrays} of `score_held_out.predict_ranges`, with bounds.

    Returns
    -------
    dict
        {range of S/N: {"network" and "refined": scores, see `score_metrics.score_arrays`}}.

    Raises
    ------
    UserError
        If the nodes do not vary a label.
    """
    others = [name for name in cfg.grid.labels if name not in cfg.labels]
    constants = {name: float(cfg.grid.labels[name]) for name in others}
    sampler = recipe_nodes.open_source_sampler(cfg, cfg.labels)
    wave = hdf5_spectra.read_wave(h5)
    spectra = score_held_out.open_test_spectra(h5["test"], cfg)
    scores = {}
    for key in (f"{low:g}_{high:g}" for low, high in cfg.test.snr):
        known = {name: predictions[key][name][: cfg.test.refine] for name in
                 ("true", "snr", "sigma", "crlb")}  # fmt: skip
        rng = np.random.default_rng((cfg.seed, *key.encode()))
        parts = []
        for start in range(0, len(known["true"]), BATCH):
            rows = np.arange(start, min(start + BATCH, len(known["true"])))
            flux = spectra.batch(rows, known["snr"][rows], rng)
            network = model.predict(flux, known["snr"][rows])
            near = dict(zip(cfg.labels, network["mean"].T))
            near |= {name: np.full(len(rows), value) for name, value in constants.items()}
            errors = dict(zip(cfg.labels, network["err"].T))
            power = cfg.grid.resolving_power
            refined = improve_labels(sampler, flux, known["sigma"][rows], near, errors, wave, power)
            columns = [np.column_stack([part[k] for k in cfg.labels]) for part in refined]
            parts.append((network["mean"], network["err"], *columns))
        mean, err, better, bound = (np.concatenate(part) for part in zip(*parts))
        scores[key] = {
            name: score_metrics.score_arrays(known | {"mean": a, "err": b}, cfg.labels)
            for name, a, b in (("network", mean, err), ("refined", better, bound))
        }
    return scores


def print_refined(scores):
    """Print RMSE, ratio to the bound and coverage of `score_refined`."""
    for key, kinds in scores.items():
        for kind, table in kinds.items():
            cells = [
                f"{name} {table['rmse'][name]:.3g} ({table['ratio'][name]:.2f}, "
                f"{table['coverage_68'][name]:.0%})"
                for name in table["rmse"]
            ]
            print(f"S/N {key.replace('_', '-')}, {kind}: {', '.join(cells)}")
