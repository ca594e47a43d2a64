"""jacobian.py for target flux: derivatives of the generator against those of the nodes."""

import numpy as np

from starlabels.base import hdf5_labels, hdf5_spectra
from starlabels.base.console import show_progress
from starlabels.base.errors import UserError
from starlabels.base.labels import get_label
from starlabels.base.statistics import compute_rms
from starlabels.stages import jacobian_labels, locks, recipe_nodes
from starlabels.stages.score_flux import load_generator
from starlabels.synthesis.sampler import compute_derivatives


@locks.require_lock("lock")
def compare_derivatives(run, args=None):
    """Compare d flux / d label of the generator and of the nodes: write jacobian.h5 and a figure.

    Raises
    ------
    UserError
        If an input is missing or stale, or the spectra are not sampled from nodes.
    """
    from starlabels.plots import generator_spectra as plots

    cfg, paths, digest = run.cfg, run.paths, run.digest("jacobian")
    arrays = {"flux": [], "network": [], "sensitivity": []}
    with run.open("2_preprocess") as h5:
        made, _ = load_generator(run)
        test = h5["test"]
        axis, labels = hdf5_spectra.read_axis(h5), hdf5_labels.read_labels(test, cfg.labels)
        n = min(cfg.jacobian.n_stars, len(labels))
        nodes = recipe_nodes.build_sensitivity_or_none(cfg, test, axis.wave)
        if not nodes:
            what = "a generator's derivatives are compared with the nodes', and there are none"
            raise UserError(f"{cfg.path}: {what}")
        for start in show_progress(range(0, n, jacobian_labels.BATCH), "derivatives"):
            rows = slice(start, min(start + jacobian_labels.BATCH, n))
            arrays["flux"].append(test["flux"][rows])
            arrays["network"].append(compute_generator_derivatives(made, labels[rows]))
            arrays["sensitivity"].append(nodes(rows))
    arrays = {name: np.concatenate(parts) for name, parts in arrays.items()}
    scatter = compute_disagreement(arrays["network"], arrays["sensitivity"])
    everyone = {jacobian_labels.ALL: np.ones(n, bool)}
    moments = jacobian_labels.compute_subset_moments([arrays], everyone)[jacobian_labels.ALL]
    inputs = {paths.model_dir: made.digest}
    jacobian_labels.save_moments(run, moments, axis, n, digest, inputs)
    print("d flux / d label, generator against nodes, relative rms where it is above its median:")
    print("  ".join(f"{name} {value:.1%}" for name, value in zip(cfg.labels, scatter)))
    axes = [get_label(name) for name in cfg.labels]
    means = [moments[name]["mean"] for name in ("network", "sensitivity")]
    path = paths.figure_dir / "jacobian.png"
    with run.figures("jacobian.png", inputs):
        lines = cfg.get_lines(axis.medium)
        plots.draw_derivatives(axis.wave, *means, scatter, axes, lines, path, axis.medium)
    print(f"{n} stars: {paths.jacobian}, {path}")


def compute_generator_derivatives(made, values):
    """d flux / d label (n, n_labels, n_pix) of a Generator at labels (n, n_labels).

    One-sided at the ends of the range of training.
    """
    labels = dict(zip(made.names, np.clip(values, made.low, made.high).T.astype(float)))
    ranges = {name: (low, high) for name, low, high in zip(made.names, made.low, made.high)}

    def compute_flux(shifted):
        return made.flux(np.column_stack(list(shifted.values())))

    return compute_derivatives(compute_flux, labels, made.names, ranges)


def compute_disagreement(network, nodes):
    """Relative rms difference (n_labels,) of derivatives (n, n_labels, n_pix).

    Only pixels count where the derivative of the nodes is above its median.
    """
    differences = []
    for ours, theirs in zip(network.swapaxes(0, 1), nodes.swapaxes(0, 1)):
        strong = np.abs(theirs) > np.median(np.abs(theirs))
        rms = compute_rms(ours[strong] - theirs[strong])
        differences.append(rms / compute_rms(theirs[strong]))
    return np.array(differences)
