"""Node libraries: unbroadened spectra synthesised on a grid of labels, and the workers that make them."""

import functools
import hashlib
import json
import shutil
import socket
import threading
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path

import numpy as np

from starlabels.base import hdf5, provenance, untrusted
from starlabels.base.console import format_count, show_progress
from starlabels.base.errors import UserError
from starlabels.base.workers import LOST, connect_cluster, iterate_results
from starlabels.synthesis import broaden

AXES = ("teff", "logg", "mh", "vmic")
ABUNDANCE_STEP = 0.3  # dex: an element's abundance is moved up and down by as much
PIXELS_PER_FWHM = 3.4262  # 2.5 km/s at resolving power 35 000: coarser pixels alias
OVERSAMPLING = 2  # synthesised pixels per stored pixel
MARGIN = 520.0  # km/s beyond the window: rotation brings in what lies outside
FLUX_SCALE = 1 / 60000  # of the stored uint16; a flux step of 1.7e-5
# A quick library is three times as fast: what abundances change comes out 1 % off, the spectra themselves are not to be used
QUICK_LAYERS = 2  # of the atmosphere only each second layer
QUICK_HYDROGEN = 70.0  # A: hydrogen lines further from the window are left out
ENGINE_LOCK = (
    threading.Lock()
)  # SMElib keeps its state in globals, however many threads a worker has


@dataclass(frozen=True)
class NodeGrid:
    """What a library holds: a window (A, air), the nodes of each label, the kind of atmospheres and the resolving power.

    Nodes are stored with the broadening of the highest resolving power that may be asked of them, so that few pixels suffice.
    With `elements` each node comes in several patterns of abundances; `quick` ones serve for their differences only.
    """

    wave_min: float
    wave_max: float
    teff: tuple
    logg: tuple
    mh: tuple
    vmic: tuple
    atmosphere: str = "builtin"
    resolving_power: float = 35_000
    elements: tuple = ()
    quick: bool = False

    @property
    def patterns(self):
        """Abundances {element: [X/M] in dex} of each pattern: scaled solar, then every element moved up and down."""
        return [{}] + [{element: sign * ABUNDANCE_STEP} for element in self.elements for sign in (1, -1)]

    @property
    def fwhm(self):
        """Broadening of the nodes in km/s."""
        return broaden.LIGHT / self.resolving_power

    @property
    def step(self):
        """Velocity between the pixels of the nodes in km/s."""
        return round(self.fwhm / PIXELS_PER_FWHM, 3)

    @property
    def axes(self):
        """The nodes of each label, in the order of AXES."""
        return [np.array(getattr(self, name), float) for name in AXES]

    @property
    def points(self):
        """Labels of all nodes (n, 4), in the order of AXES; with elements (n, 5), the last the number of the pattern."""
        return np.array(
            list(product(*self.axes, *([range(len(self.patterns))] if self.elements else [])))
        )

    @property
    def digest(self):
        """16 hex digits that change when any node would."""
        from starlabels.synthesis import atmosphere, lines

        data = [hdf5.file_digest(path) for path in (lines.LINE_FILE, atmosphere.TABLE_FILE)]
        own = asdict(self)
        if not own.pop("quick"):
            settings = [own, PIXELS_PER_FWHM, OVERSAMPLING, MARGIN, data]
        else:
            settings = [own, PIXELS_PER_FWHM, OVERSAMPLING, MARGIN, data, QUICK_LAYERS, QUICK_HYDROGEN]
        return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]

    def fine_wave(self):
        """Wavelengths (A) to synthesise: the window and its margins, step / FINE km/s apart."""
        edge = np.exp(MARGIN / broaden.LIGHT)
        return broaden.make_velocity_grid(self.wave_min / edge, self.wave_max * edge, self.step / OVERSAMPLING)

    def wave(self):
        """Wavelengths (A) of the nodes, `step` apart."""
        return self.fine_wave()[::OVERSAMPLING]


def synthesise_node(engine, lines, grid, teff, logg, mh, vmic, pattern=0):
    """Flux (n_pix,) of one node on grid.wave(), continuum 1, broadened to grid.fwhm."""
    return synthesise_pattern(engine, lines, grid, teff, logg, mh, vmic, grid.patterns[int(pattern)])


def synthesise_pattern(engine, lines, grid, teff, logg, mh, vmic, abundances):
    """As node_spectrum, with abundances {element: [X/M] in dex}; the atmosphere is that of scaled ones."""
    from starlabels.synthesis import sme

    structure = sme.make_atmosphere(grid.atmosphere, teff, logg, mh)
    if grid.quick:
        structure = sme.thin_structure(structure, QUICK_LAYERS)
    engine.load(lines, structure, mh, vmic, teff, logg, abundances=abundances)
    flux = engine.spectrum(grid.fine_wave())
    sigma = grid.fwhm / broaden.FWHM / grid.step * OVERSAMPLING
    reach = int(np.ceil(6 * sigma))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    smooth = np.convolve(np.pad(flux, reach, mode="edge"), kernel / kernel.sum(), "valid")
    return smooth[::OVERSAMPLING].astype("f4")


@functools.lru_cache(maxsize=1)
def load_engine(grid, digest):
    """SMElib and the lines of a NodeGrid, made once a worker process; UserError if they cannot be had or are not ours."""
    from dask.distributed import get_worker

    from starlabels.synthesis import lines, sme

    here = socket.gethostname()
    if grid.digest != digest:
        raise UserError(
            f"cluster: the worker on {here} has other lines or atmospheres in data/: give it this very folder"
        )
    sme.enter_sandbox(keep_home=grid.atmosphere != "builtin", inside=get_worker().local_directory)
    hydrogen = {"hydrogen": QUICK_HYDROGEN} if grid.quick else {}
    try:
        return sme.Engine(), lines.read_lines(grid.wave_min, grid.wave_max, **hydrogen)
    except Exception as error:  # whatever keeps a library from loading
        raise UserError(
            f"cluster: SMElib does not start on {here}: {' '.join(str(error).split())}"
        ) from None


def compute_node(point, grid, digest):
    """Flux (n_pix,) of a node, or the reason in words why there is none; in a worker, which SMElib may end without a word."""
    from starlabels.synthesis import sme

    with ENGINE_LOCK, sme.silence_output():
        engine, lines = load_engine(grid, digest)
        try:
            return synthesise_node(engine, lines, grid, *point)
        except (
            Exception
        ) as error:  # whatever it was, the other nodes go on and this one is recorded
            return " ".join(str(error).split()) or type(error).__name__


def synthesise_nodes(grid, points, cluster):
    """Yield (index, flux or None, reason) for each point (n, 4) as the workers of a `cluster` section finish them."""
    if not len(points):
        return
    with connect_cluster(cluster, len(points)) as client:
        for index, found in iterate_results(
            client, compute_node, [tuple(map(float, point)) for point in points], grid, grid.digest
        ):
            if isinstance(found, str):
                yield index, None, "SMElib ended its process" if found is LOST else found
            else:
                yield index, found, ""


def build_library(grid, path, cluster):
    """Synthesise the nodes of `grid` that are not there yet and gather them in the library `path`.

    Every finished node is kept at once in `<path>.partial/<digest>`, so that a killed run goes on where it was.
    """
    path = Path(path)
    partial = path.with_name(path.name + ".partial") / grid.digest
    partial.mkdir(parents=True, exist_ok=True)
    points = grid.points
    names = ["_".join(f"{value:g}" for value in point) for point in points]
    todo = [i for i, name in enumerate(names) if not _is_finished(partial, name)]
    if len(todo) < len(points):
        print(
            f"{path}: {format_count(len(points) - len(todo))} of {format_count(len(points))} nodes were there already"
        )
    made = synthesise_nodes(grid, points[todo], cluster)
    for k, flux, reason in show_progress(made, f"synthesising {path.name}", total=len(todo)):
        temporary = partial / f".{names[todo[k]]}.tmp"
        if flux is None:
            temporary.write_text(reason)
            temporary.replace(partial / f"{names[todo[k]]}.failed")
            print(f"node {names[todo[k]]} failed: {reason}")
        else:
            with temporary.open("wb") as file:
                np.save(file, np.round(flux / FLUX_SCALE).astype("u2"))
            temporary.replace(partial / f"{names[todo[k]]}.npy")
    failures = sorted(partial.glob("*.failed"))
    if len(failures) == len(points):
        reason = failures[0].read_text()
        shutil.rmtree(partial.parent)  # nothing to keep: the next run tries again
        raise UserError(f"{path}: all {format_count(len(points))} nodes failed: {reason}")
    gather_nodes(grid, partial, names, path)
    shutil.rmtree(partial.parent)


def _is_finished(partial, name):
    return (partial / f"{name}.npy").exists() or (partial / f"{name}.failed").exists()


def gather_nodes(grid, partial, names, path):
    """Write the library `path` from the finished nodes in `partial`."""
    wave, shape = grid.wave(), [len(axis) for axis in grid.axes]
    from starlabels.synthesis import atmosphere, lines

    inputs = {
        provenance.path_from_root(one): hdf5.file_digest(one)
        for one in (lines.LINE_FILE, atmosphere.TABLE_FILE)
    }
    with hdf5.create(path, "nodes", grid.digest, json.dumps(asdict(grid)), inputs) as h5:
        hdf5.write_wave(h5, wave, resolving_power=grid.resolving_power)
        h5["spectra"].attrs["source"] = f"SMElib, Gaia-ESO lines, {grid.atmosphere} atmospheres"
        flux = h5.create_dataset(
            "nodes/flux",
            (len(names), len(wave)),
            "u2",
            chunks=(1, len(wave)),
            compression=9,
            shuffle=True,
        )
        flux.attrs.update(
            {
                "scale": FLUX_SCALE,
                "fwhm": grid.fwhm,
                "window": [grid.wave_min, grid.wave_max],
                "shape": shape,
            }
        )
        failed = np.zeros(len(names), bool)
        for i, name in enumerate(names):
            failed[i] = not (partial / f"{name}.npy").exists()
            if not failed[i]:
                flux[i] = untrusted.read_arrays(partial / f"{name}.npy")[""]
        h5["nodes/failed"] = failed
        for name, axis in zip(AXES, grid.axes):
            h5[f"nodes/{name}"] = axis
        h5["nodes"].attrs.update(
            {
                "atmosphere": grid.atmosphere,
                "elements": ",".join(grid.elements),
                "quick": grid.quick,
            }
        )
    print(
        f"{path}: {format_count(int((~failed).sum()))} nodes, {format_count(int(failed.sum()))} failed, {path.stat().st_size / 1e6:.1f} MB"
    )


def read_grid(path):
    """The NodeGrid of a library; UserError if it is missing or damaged."""
    with hdf5.open_stage(path, "nodes", script="grid.py") as h5:
        axes = {name: tuple(hdf5.dataset(h5, f"nodes/{name}")[:].tolist()) for name in AXES}
        low, high = h5["nodes/flux"].attrs["window"]
        elements = tuple(filter(None, str(h5["nodes"].attrs.get("elements", "")).split(",")))
        kind, power = (
            str(h5["nodes"].attrs["atmosphere"]),
            round(float(h5["spectra"].attrs["resolving_power"])),
        )
        more = {"elements": elements, "quick": bool(h5["nodes"].attrs.get("quick", False))}
        return NodeGrid(
            float(low), float(high), **axes, atmosphere=kind, resolving_power=power, **more
        )


def read_nodes(path, rows=None):
    """Flux (n, n_pix) float32 of all or some nodes, flat in the order of AXES, and which failed (n,) (their flux is 0)."""
    with hdf5.open_stage(path, "nodes", script="grid.py") as h5:
        flux, failed = h5["nodes/flux"], h5["nodes/failed"][:]
        rows = np.arange(len(failed)) if rows is None else np.asarray(rows)
        if len(rows) == 0:
            raise UserError(f"{path} has no nodes in the range asked: widen the grid")
        return hdf5.read_rows(flux, rows).astype("f4") * np.float32(flux.attrs["scale"]), failed[
            rows
        ]
