"""Rebuild, list and check the packaged node libraries.

`python -m starlabels.tools.rebuild.nodes [NAME ...]` rebuilds all or the named libraries and
continues where a killed run stopped; `--list` prints their coverage, errors, sizes and times;
`--check` measures their interpolation errors.
"""

import argparse
import json

import h5py
import numpy as np

from starlabels.base import checksums
from starlabels.base.files import replace_file
from starlabels.config.schema import Cluster
from starlabels.synthesis.library import (
    COVERED,
    ELEMENT_LIBRARIES,
    NODE_FOLDER,
    PACKAGED,
    PLANNED,
    VMIC_LIBRARIES,
)
from starlabels.synthesis.node_builder import build_library, synthesise_nodes
from starlabels.synthesis.nodes import AXES
from starlabels.synthesis.sampler import Sampler

LIBRARIES = PACKAGED | VMIC_LIBRARIES | ELEMENT_LIBRARIES | PLANNED
ERROR_FILE = NODE_FOLDER / "errors.json"
N_POINTS = 50  # random labels where the interpolation is checked
SEED = 19


def rebuild_library(name, cluster):
    """Rebuild a packaged library and record its checksum."""
    path = NODE_FOLDER / name
    build_library(LIBRARIES[name], path, cluster)
    checksums.record_checksum(path)


def check_library(name, cluster):
    """Measure the interpolation error of a library at random labels, and store it."""
    errors = measure_errors(name, N_POINTS, cluster)
    summary = {"n": len(errors), "mean": float(errors.mean()), "max": float(errors.max())}
    stored = read_errors() | {name: summary}
    with replace_file(ERROR_FILE) as tmp:
        tmp.write_text(json.dumps(stored, indent=1, sort_keys=True) + "\n")
    mean, most = summary["mean"], summary["max"]
    print(f"{name}: |dF| at {len(errors)} points: mean {mean:.5f}, max {most:.4f}")


def measure_errors(name, n, cluster):
    """Measure the interpolation error of a library at random labels.

    Spectra of the library and synthesised spectra are compared at the resolving power of the
    library, without rotation.

    Parameters
    ----------
    name : str
        File name of a packaged library.
    n : int
        Number of labels drawn in the range of the library.
    cluster : Cluster
        Section `cluster` of the configuration.

    Returns
    -------
    array (n, n_pix)
        |difference| in flux; without rows whose synthesis failed.
    """
    path = NODE_FOLDER / name
    vmic_path = NODE_FOLDER / name.replace(".h5", "_vmic.h5")
    sampler = Sampler(path, vmic_path=vmic_path if vmic_path.exists() else None)
    labels = draw_labels(sampler, COVERED[name], n)
    points = np.column_stack([labels[axis] for axis in AXES])
    sampled = sampler.sample_intrinsic(labels)
    errors = []
    for index, flux, reason in synthesise_nodes(LIBRARIES[name], points, cluster):
        place = ", ".join(f"{axis} {value:.4g}" for axis, value in zip(AXES, points[index]))
        if flux is None:
            print(f"{name}: {place} failed: {reason}")
            continue
        errors.append(np.abs(sampled[index] - flux))
        print(f"{place}: mean {errors[-1].mean():.5f}, max {errors[-1].max():.4f}")
    return np.array(errors)


def draw_labels(sampler, covered, n):
    """Labels {name: (n,)} inside the covered ranges that have sound nodes."""
    rng = np.random.default_rng(SEED)
    drawn = {axis: rng.uniform(*covered[axis], 20 * n) for axis in AXES}
    chosen = np.flatnonzero(sampler.covers(drawn))[:n]
    return {axis: values[chosen] for axis, values in drawn.items()}


def read_errors():
    """{library: {"n", "mean", "max"}} of the checks made so far."""
    return json.loads(ERROR_FILE.read_text()) if ERROR_FILE.exists() else {}


def describe_library(name):
    """One line on a library: coverage, nodes, error, size and time."""
    grid, path = LIBRARIES[name], NODE_FOLDER / name
    ends = " ".join(f"{axis} {v[0]:g}..{v[-1]:g}" for axis, v in zip(AXES, grid.axes))
    window = f"{grid.wave_min:g}-{grid.wave_max:g} A in {grid.medium}, R {grid.resolving_power:g}"
    text = f"{name:26s} {window}, {ends}, {len(grid.points)} nodes"
    if not path.exists():
        return f"{text}, not built"
    with h5py.File(path) as h5:
        n_failed = int(h5["nodes/failed"][:].sum())
        minutes = h5["nodes"].attrs.get("minutes")
    text += f" ({n_failed} without atmosphere), {path.stat().st_size / 1e6:.1f} MB"
    if minutes is not None:
        text += f", built in {minutes:.0f} min"
    if error := read_errors().get(name):
        text += f", |dF| mean {error['mean']:.1e}, max {error['max']:.3f}"
    return text


def main():
    """Rebuild, check or list libraries."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="libraries (default: all)")
    parser.add_argument("--workers", type=int, default=2, help="processes (default: 2)")
    parser.add_argument("--list", action="store_true", help="print all libraries")
    parser.add_argument("--check", action="store_true", help="measure interpolation errors")
    args = parser.parse_args()
    if unknown := [name for name in args.names if name not in LIBRARIES]:
        parser.error(f"unknown {', '.join(unknown)}: choose from {', '.join(LIBRARIES)}")
    cluster = Cluster(scheduler=None, workers=args.workers)
    for name in args.names or LIBRARIES:
        if args.list:
            print(describe_library(name))
        elif args.check:
            check_library(name, cluster)
        else:
            rebuild_library(name, cluster)


if __name__ == "__main__":
    main()
