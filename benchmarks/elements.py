"""Three elements moved at once, sampled against synthesised: `python -m benchmarks.elements --config recipes/astronn.yaml`.

After grid.py, unless the packaged nodes have the elements. Stars at random in the grid, three elements of each moved by up to
what the grid moves them, the others scaled.
"""

from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

import numpy as np

from starlabels.base import errors
from starlabels.stages import command_line, recipe_nodes, recipe_stars
from starlabels.synthesis import lines, node_builder, nodes, sme

MOVED = 3


def arguments(parser):
    """Command-line arguments."""
    parser.add_argument(
        "--stars", type=int, default=20, help="two spectra each are synthesised (default: 20)"
    )


def synthesised(node_grid, star):
    """Flux (n_pix,) on the pixels of a NodeGrid of one star: its labels and {element: [X/M]}."""
    point, abundances = star
    line_list = lines.read_lines(node_grid.wave_min, node_grid.wave_max)
    return node_builder.synthesise_pattern(sme.Engine(), line_list, node_grid, *point, abundances)


def draw(cfg, sampler, n):
    """Labels {name: (n,)} of n sound stars with MOVED elements moved, and which those are {element: [X/M]} of each."""
    rng = np.random.default_rng(cfg.seed + 2)
    labels, _ = recipe_stars.draw_labels(cfg, rng)
    rows = np.flatnonzero(sampler.covers(labels))[:n]
    labels = {name: values[rows].astype(float) for name, values in labels.items()} | {
        "vsini": np.zeros(len(rows))
    }
    names, moved = [name for name in sampler.elements.names if name in labels], []
    for star in range(len(rows)):
        some = rng.choice(names, MOVED, replace=False)
        moved.append({name.removesuffix("_m").title(): labels[name][star] for name in some})
        for name in set(names) - set(some):
            labels[name][star] = 0.0
    return labels, moved


def run(cfg, args):
    """Print how far the sampled spectra are from synthesised ones, with and without what the elements change."""
    sampler = recipe_nodes.open_sampler(cfg, build=False)
    if not sampler.elements:
        raise errors.UserError(
            f"{cfg.path}: grid.labels moves no element: use recipes/astronn_ours.yaml"
        )
    labels, moved = draw(cfg, sampler, args.stars)
    points = list(zip(*(labels[name] for name in nodes.AXES)))
    tasks = [(point, one) for point, one in zip(points, moved)] + [(point, {}) for point in points]
    with ProcessPoolExecutor(
        2, mp_context=get_context("spawn"), initializer=sme.enter_sandbox
    ) as pool:
        made = np.array(list(pool.map(partial(synthesised, sampler.grid), tasks)))
    wave, power = cfg.wave.grid(), cfg.grid.resolving_power
    scaled = {name: values for name, values in labels.items() if name not in sampler.elements.names}
    found = [sampler.sample_spectra(one, wave, power) for one in (labels, scaled)]
    bare = {
        "vsini": np.zeros(len(made)),
        "resolving_power": np.full(len(made), power),
        "rv": np.zeros(len(made)),
    }
    own = sampler.broadening
    direct = own.broaden(own.to_fourier(1 - made), bare, own.resampling_matrix(wave)).reshape(2, len(points), -1)
    for what, error in (
        ("moved, sampled - synthesised", found[0] - direct[0]),
        ("scaled, sampled - synthesised", found[1] - direct[1]),
        ("what the elements change", (found[0] - found[1]) - (direct[0] - direct[1])),
        ("(the change itself)", direct[0] - direct[1]),
    ):
        print(f"{what:<32} mean |dF| {np.abs(error).mean():.1e}  max {np.abs(error).max():.4f}")


if __name__ == "__main__":
    command_line.run_command(run, __doc__, arguments)
