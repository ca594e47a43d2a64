"""Compare sampled with synthesised spectra of stars with three changed elements.

    python -m benchmarks.elements --config recipes/astronn.yaml

Run grid.py before, unless the packaged nodes have the elements. The stars are random ones of the
grid. Three elements of each change by up to the range of the grid, the others are scaled.
"""

from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

import numpy as np

from starlabels.base import errors
from starlabels.stages import command_line, recipe_nodes, recipe_stars
from starlabels.synthesis import lines, node_synthesis, nodes, sme

N_MOVED = 3


def add_arguments(parser):
    """Add the command-line arguments to a parser."""
    parser.add_argument(
        "--stars", type=int, default=20, help="two spectra each are synthesised (default: 20)"
    )


def synthesise_star(node_grid, star):
    """Flux (n_pix,) of one star: its labels and {element: [X/M]}, on the pixels of a NodeGrid."""
    point, abundances = star
    line_list = node_synthesis.load_lines(node_grid, point[0] < lines.MOLECULE_TEFF)
    return node_synthesis.synthesise_pattern(sme.Engine(), line_list, node_grid, *point, abundances)


def draw_stars(cfg, sampler, n):
    """Labels {name: (n,)} of n stars with N_MOVED changed elements, and [{element: [X/M]}]."""
    rng = np.random.default_rng(cfg.seed + 2)
    labels, _ = recipe_stars.draw_labels(cfg, rng)
    rows = np.flatnonzero(sampler.covers(labels))[:n]
    labels = {name: values[rows].astype(float) for name, values in labels.items()} | {
        "vsini": np.zeros(len(rows))
    }
    names, moved = [name for name in sampler.elements.names if name in labels], []
    for star in range(len(rows)):
        chosen = rng.choice(names, N_MOVED, replace=False)
        moved.append({name.removesuffix("_m").title(): labels[name][star] for name in chosen})
        for name in set(names) - set(chosen):
            labels[name][star] = 0.0
    return labels, moved


def print_differences(run, args):
    """Print differences of sampled and synthesised spectra, with and without the changes."""
    cfg = run.cfg
    sampler = recipe_nodes.open_sampler(cfg, build=False)
    if not sampler.elements:
        raise errors.UserError(
            f"{cfg.path}: grid.labels moves no element: use recipes/astronn_ours.yaml"
        )
    labels, moved = draw_stars(cfg, sampler, args.stars)
    points = list(zip(*(labels[name] for name in nodes.AXES)))
    tasks = [(point, one) for point, one in zip(points, moved)] + [(point, {}) for point in points]
    with ProcessPoolExecutor(
        2, mp_context=get_context("spawn"), initializer=sme.enter_sandbox
    ) as pool:
        synthesised = np.array(list(pool.map(partial(synthesise_star, sampler.grid), tasks)))
    wave, power = cfg.wave.grid(), cfg.grid.resolving_power
    scaled = {name: values for name, values in labels.items() if name not in sampler.elements.names}
    sampled = [sampler.sample_spectra(one, wave, power) for one in (labels, scaled)]
    bare = {
        "vsini": np.zeros(len(synthesised)),
        "resolving_power": np.full(len(synthesised), power),
        "rv": np.zeros(len(synthesised)),
    }
    broadening = sampler.broadening
    direct = broadening.broaden(broadening.to_fourier(1 - synthesised), bare, wave).reshape(
        2, len(points), -1
    )
    for title, error in (
        ("moved, sampled - synthesised", sampled[0] - direct[0]),
        ("scaled, sampled - synthesised", sampled[1] - direct[1]),
        ("what the elements change", (sampled[0] - sampled[1]) - (direct[0] - direct[1])),
        ("(the change itself)", direct[0] - direct[1]),
    ):
        print(f"{title:<32} mean |dF| {np.abs(error).mean():.1e}  max {np.abs(error).max():.4f}")


if __name__ == "__main__":
    command_line.run_command(print_differences, __doc__, add_arguments)
