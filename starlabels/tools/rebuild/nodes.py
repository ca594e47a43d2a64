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
    VMIC_LIBRARIES,
)
from starlabels.synthesis.node_builder import build_library, synthesise_nodes
from starlabels.synthesis.nodes import AXES
from starlabels.synthesis.sampler import Sampler

LIBRARIES = PACKAGED | VMIC_LIBRARIES | ELEMENT_LIBRARIES
ERROR_FILE = NODE_FOLDER / "errors.json"
N_POINTS = 50  # random labels where the interpolation is checked
SEED = 19


def rebuild_library(name, cluster):
    """Rebuild a packaged library and record its checksum."""
    path = NODE_FOLDER / name
    build_library(LIBRARIES[name], path, cluster)
    checksums.record_checksum(path)


def check_library(name, cluster):
    """Measure the interpolation error of a library at random labels and store it.

    Spectra of the library and synthesised spectra are compared at the resolving power of the
    library, without rotation.
    """
    grid = LIBRARIES[name]
    path = NODE_FOLDER / name
    vmic_path = NODE_FOLDER / name.replace(".h5", "_vmic.h5")
    vmic_path = vmic_path if vmic_path.exists() else None
    sampler = Sampler(path, vmic_path=vmic_path)
    labels = draw_labels(sampler, COVERED[name])
    points = np.column_stack([labels[axis] for axis in AXES])
    sampled = sampler.sample_intrinsic(labels)
    errors = {}
    for index, flux, reason in synthesise_nodes(grid, points, cluster):
        if flux is None:
            print(f"{name}: {points[index]} failed: {reason}")
            continue
        errors[index] = np.abs(sampled[index] - flux)
        place = ", ".join(f"{axis} {value:g}" for axis, value in zip(AXES, points[index]))
        print(f"{place}: mean {errors[index].mean():.5f}, max {errors[index].max():.4f}")
    mean = float(np.mean([error.mean() for error in errors.values()]))
    most = float(np.max([error.max() for error in errors.values()]))
    stored = read_errors() | {name: {"n": len(errors), "mean": mean, "max": most}}
    with replace_file(ERROR_FILE) as tmp:
        tmp.write_text(json.dumps(stored, indent=1, sort_keys=True) + "\n")
    print(f"{name}: |dF| at {len(errors)} points: mean {mean:.5f}, max {most:.4f}")


def draw_labels(sampler, covered):
    """N_POINTS label sets {name: (n,)} inside the covered ranges that have sound nodes."""
    rng = np.random.default_rng(SEED)
    drawn = {axis: rng.uniform(*covered[axis], 20 * N_POINTS) for axis in AXES}
    chosen = np.flatnonzero(sampler.covers(drawn))[:N_POINTS]
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
