"""Node libraries: spectra without rotation on a grid of labels, at a fixed resolving power."""

import hashlib
import json
from dataclasses import asdict, dataclass
from itertools import product

import numpy as np

from starlabels.base import hdf5, hdf5_spectra
from starlabels.base.errors import UserError
from starlabels.base.wavelengths import convert_medium
from starlabels.synthesis import atmosphere, broaden, lines

AXES = ("teff", "logg", "mh", "vmic")
ABUNDANCE_STEP = 0.3  # dex: the abundance of an element is moved up and down by this
PIXELS_PER_FWHM = 3.4262  # 2.5 km/s at resolving power 35 000: coarser pixels alias
# km/s, at most, between synthesised pixels. Mean errors after broadening to R 5000 are 1e-4 at
# 4500 K, [M/H] -1 and vmic 2 km/s, to R 35 000 below 1e-4 in hot stars; 1.75 km/s gave 1e-3 where
# vmic is 0, 2.5 km/s where it is 2
FINE_STEP = 1.8
FINE_STEP_HOT = 2.5  # lines of hot stars are wide
# They are few in the red: in 8400-8800 A mean errors at R 25 000 are 4e-5 at 8000 K (at most
# 0.004), 1e-5 at 12 000 K. Hydrogen makes these nodes the most expensive
FINE_STEP_HOT_RED = 3.5
RED = 8000.0  # A
FINE_STEP_NARROW = 1.25  # lines without microturbulence are narrow
HOT_TEFF, HOT_VMIC, NARROW_VMIC = 8000.0, 2.0, 1.0  # K and km/s
# At a low resolving power many lines share a pixel, and the errors of their profiles average: mean
# |dF| 3e-4 at 4250 K, 1.1e-4 at 5750 K, 5e-5 at 7500 K and R 5000
LOW_POWER = 10_000
LOW_POWER_FACTOR = 1.25  # longer steps
MARGIN = 520.0  # km/s beyond the window: rotation brings in what lies outside
# Quick libraries are two to three times as fast. Their changes with abundances have errors of 1 %,
# those with vmic of 0.3 %; the spectra themselves must not be used.
QUICK_LAYERS = 2  # keep each second layer of the atmosphere
QUICK_HYDROGEN = 70.0  # A: hydrogen lines further from the window are left out


@dataclass(frozen=True)
class NodeGrid:
    """Definition of a library.

    Nodes are stored with the broadening of the highest resolving power that the library serves,
    so that few pixels suffice.

    Parameters
    ----------
    wave_min, wave_max : float
        Window (A), in the library's medium.
    teff, logg, mh, vmic : tuple of float
        Nodes of each label.
    atmosphere : str
        Kind of atmospheres, see `atmosphere_choice.choose_sources`.
    resolving_power : float
        Highest lambda / FWHM of spectra from the library.
    elements : tuple of str
        Each node is computed once per pattern of abundances of these elements.
    quick : bool
        True if only differences between nodes or patterns are used.
    medium : str
        "air" or "vacuum": of the window and of the wavelengths of the nodes.
    thin : bool
        True if some nodes are interpolated, see `thinning.find_thinned`.
    """

    wave_min: float
    wave_max: float
    teff: tuple
    logg: tuple
    mh: tuple
    vmic: tuple
    atmosphere: str = "published"
    resolving_power: float = 35_000
    elements: tuple = ()
    quick: bool = False
    medium: str = "air"
    thin: bool = False

    @property
    def patterns(self):
        """Abundances {element: [X/M] in dex} per pattern: scaled solar, then each up and down."""
        signs = (1, -1)
        return [{}] + [{name: sign * ABUNDANCE_STEP} for name in self.elements for sign in signs]

    @property
    def fwhm(self):
        """FWHM (km/s) of the broadening of the nodes."""
        return broaden.LIGHT / self.resolving_power

    @property
    def step(self):
        """Velocity (km/s) between pixels of the nodes."""
        return round(self.fwhm / PIXELS_PER_FWHM, 3)

    def get_oversampling(self, teff, vmic):
        """Number of synthesised pixels per stored pixel of a node."""
        step = FINE_STEP_NARROW if vmic < NARROW_VMIC else FINE_STEP
        if teff >= HOT_TEFF and vmic >= HOT_VMIC:
            step = FINE_STEP_HOT_RED if self.wave_min > RED else FINE_STEP_HOT
        if self.resolving_power < LOW_POWER:
            step *= LOW_POWER_FACTOR
        return int(np.ceil(self.step / step))

    @property
    def axes(self):
        """Nodes of each label, in the order of AXES."""
        return [np.array(getattr(self, name), float) for name in AXES]

    @property
    def shape(self):
        """Number of nodes of each label, in the order of AXES."""
        return tuple(len(axis) for axis in self.axes)

    @property
    def points(self):
        """Labels (n, 4) of all nodes, in the order of AXES.

        With elements (n, 5): the last column is the number of the pattern.
        """
        patterns = [range(len(self.patterns))] if self.elements else []
        return np.array(list(product(*self.axes, *patterns)))

    @property
    def files(self):
        """Packaged files that the nodes depend on."""
        return [*lines.LINE_FILES, atmosphere.TABLE_FILE]

    @property
    def digest(self):
        """16 hex digits that change when any node would change."""
        data = [hdf5.compute_file_digest(path) for path in self.files]
        fields = asdict(self)
        is_quick, is_thin = fields.pop("quick"), fields.pop("thin")
        oversampling = [
            self.get_oversampling(teff, vmic) for teff in self.teff for vmic in self.vmic
        ]
        settings = [fields, PIXELS_PER_FWHM, oversampling, MARGIN, data]
        if is_quick:
            settings += [QUICK_LAYERS, QUICK_HYDROGEN]
        if is_thin:
            settings.append("thin")
        return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]

    def wave(self, oversampling=1):
        """Wavelengths (A) of the nodes, window and margins, step / oversampling km/s apart."""
        edge = np.exp(MARGIN / broaden.LIGHT)
        wave = broaden.make_velocity_grid(self.wave_min / edge, self.wave_max * edge, self.step)
        n_steps = oversampling * (len(wave) - 1)
        velocity = np.arange(n_steps + 1) * self.step / oversampling
        return wave[0] * np.exp(velocity / broaden.LIGHT)

    def wave_in_air(self, oversampling=1):
        """As `wave`, in air."""
        return convert_medium(self.wave(oversampling), self.medium, "air")


def read_grid(path):
    """Read the NodeGrid of a library; UserError if the file is missing or damaged."""
    with hdf5.open_stage(path, "nodes", script="grid.py") as h5:
        axes = {name: tuple(hdf5.get_dataset(h5, f"nodes/{name}")[:].tolist()) for name in AXES}
        attributes = h5["nodes"].attrs
        window = attributes if "window" in attributes else h5["nodes/flux"].attrs
        wave_min, wave_max = window["window"]
        return NodeGrid(
            float(wave_min),
            float(wave_max),
            **axes,
            atmosphere=str(attributes["atmosphere"]),
            resolving_power=round(float(h5["spectra"].attrs["resolving_power"])),
            elements=tuple(filter(None, str(attributes.get("elements", "")).split(","))),
            quick=bool(attributes.get("quick", False)),
            medium=hdf5_spectra.read_axis(h5).medium,
        )


def read_nodes(path, rows=None):
    """Read all or some nodes of a library.

    Parameters
    ----------
    path : path
        Library.
    rows : array (n,) of int, optional
        Flat indices in the order of AXES; default: all.

    Returns
    -------
    flux : array (n, n_pix) float32
        0 where a node failed.
    failed : array (n,) of bool

    Raises
    ------
    UserError
        If the file is missing or damaged, or no rows are selected.
    """
    with hdf5.open_stage(path, "nodes", script="grid.py") as h5:
        rows, failed = select_rows(h5, path, rows)
        if "basis" in h5["nodes"]:
            coefficient, basis = read_product(h5, rows)
            flux = 1 - coefficient @ basis
            flux[failed] = 0
            return flux, failed
        flux = h5["nodes/flux"]
        return hdf5.read_rows(flux, rows).astype("f4") * np.float32(flux.attrs["scale"]), failed


def select_rows(h5, path, rows):
    """Rows (n,) of the nodes to read, and boolean (n,): True where they failed."""
    failed = h5["nodes/failed"][:]
    rows = np.arange(len(failed)) if rows is None else np.asarray(rows)
    if len(rows) == 0:
        raise UserError(f"{path} has no nodes in the requested range: widen the grid")
    return rows, failed[rows]


def read_product(h5, rows):
    """Coefficients (n, rank) and basis (rank, n_pix), float32: their product is the line depth."""
    basis = hdf5.get_dataset(h5, "nodes/basis")
    coefficient = hdf5.get_dataset(h5, "nodes/coefficient")
    return coefficient[:][rows], basis[:].astype("f4") * np.float32(basis.attrs["scale"])


def read_low_rank(path, rows):
    """Coefficients (n, rank), basis (rank, n_pix) and failed (n,) of nodes.

    Coefficients and basis are None in libraries that store the flux of each node, which earlier
    versions wrote. Raises as `read_nodes`.
    """
    with hdf5.open_stage(path, "nodes", script="grid.py") as h5:
        rows, failed = select_rows(h5, path, rows)
        if "basis" not in h5["nodes"]:
            return None, None, failed
        return *read_product(h5, rows), failed
