"""jacobian.py for target flux: derivatives of the generator's flux by label, against those of the nodes."""

import numpy as np

from starlabels.base import hdf5, statistics
from starlabels.base.console import show_progress
from starlabels.base.errors import UserError
from starlabels.base.labels import get_label
from starlabels.stages import jacobian_labels, locks, recipe_nodes
from starlabels.stages.test_flux import load_generator
from starlabels.synthesis.sampler import compute_derivatives


@locks.require_lock("lock")
def compare_derivatives(run, args=None):
    """jacobian: d flux / d label of the generator and of the nodes; UserError if an input is missing, stale or not of nodes."""
    from starlabels.plots import generator_errors as plots

    cfg, paths, digest = run.cfg, run.paths, run.digest("jacobian")
    with run.open("2_preprocess") as h5:
        made, _ = load_generator(run)
        axis, labels = hdf5.read_axis(h5), hdf5.read_labels(h5["test"], cfg.labels)
        n = min(cfg.jacobian.n_stars, len(labels))
        nodes = recipe_nodes.build_sensitivity_or_none(cfg, h5["test"], axis.wave)
        if not nodes:
            raise UserError(
                f"{cfg.path}: a generator's derivatives are compared with the nodes', and there are none"
            )
        found = {"flux": [], "network": [], "sensitivity": []}
        for start in show_progress(range(0, n, jacobian_labels.BATCH), "derivatives"):
            rows = slice(start, min(start + jacobian_labels.BATCH, n))
            found["flux"].append(h5["test/flux"][rows])
            found["network"].append(slopes(made, labels[rows]))
            found["sensitivity"].append(nodes(rows))
    found = {name: np.concatenate(parts) for name, parts in found.items()}
    scatter = disagreement(found["network"], found["sensitivity"])
    moments = jacobian_labels.moments([found])
    inputs = {paths.model_dir: made.digest}
    jacobian_labels.save_moments(run, moments, axis, n, digest, inputs)
    axes = [get_label(name) for name in cfg.labels]
    print("d flux / d label, generator against nodes, relative rms where it is above its median:")
    print("  ".join(f"{name} {value:.1%}" for name, value in zip(cfg.labels, scatter)))
    network, physical = (moments[name]["mean"] for name in ("network", "sensitivity"))
    path = paths.figure_dir / "jacobian.png"
    with run.figures("jacobian.png", inputs):
        plots.draw_derivatives(
            axis.wave, network, physical, scatter, axes, cfg.lines, path, axis.medium
        )
    print(f"{n} stars: {paths.jacobian}, {path}")


def slopes(made, values):
    """d flux / d label (n, n_labels, n_pix) of the generator at labels (n, n_labels), one-sided at the ends of its training."""
    labels = dict(zip(made.names, np.clip(values, made.low, made.high).T.astype(float)))
    trained_on = {name: (low, high) for name, low, high in zip(made.names, made.low, made.high)}
    return compute_derivatives(
        lambda shifted: made.flux(np.column_stack(list(shifted.values()))),
        labels,
        made.names,
        trained_on,
    )


def disagreement(network, nodes):
    """Relative rms difference (n_labels,) of derivatives (n, n_labels, n_pix) where the nodes' is above its median."""
    out = []
    for ours, theirs in zip(network.swapaxes(0, 1), nodes.swapaxes(0, 1)):
        strong = np.abs(theirs) > np.median(np.abs(theirs))
        out.append(
            statistics.compute_rms(ours[strong] - theirs[strong])
            / statistics.compute_rms(theirs[strong])
        )
    return np.array(out)
