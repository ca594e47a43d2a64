"""Node libraries: spectra without rotation on a grid of labels, at a fixed resolving power."""

import hashlib
import json
from dataclasses import asdict, dataclass
from itertools import product

import numpy as np

from starlabels.base import hdf5
from starlabels.base.errors import UserError
from starlabels.synthesis import atmosphere, broaden, lines

AXES = ("teff", "logg", "mh", "vmic")
ABUNDANCE_STEP = 0.3  # dex: the abundance of an element is moved up and down by this
PIXELS_PER_FWHM = 3.4262  # 2.5 km/s at resolving power 35 000: coarser pixels alias
OVERSAMPLING = 2  # synthesised pixels per stored pixel
MARGIN = 520.0  # km/s beyond the window: rotation brings in what lies outside
# Quick libraries are three times as fast. Their abundance changes have errors of 1 %; the spectra
# themselves must not be used.
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
        Window (A, air).
    teff, logg, mh, vmic : tuple of float
        Nodes of each label.
    atmosphere : str
        Kind of atmospheres, see `sme.make_atmosphere`.
    resolving_power : float
        Highest lambda / FWHM of spectra from the library.
    elements : tuple of str
        Each node is computed once per pattern of abundances of these elements.
    quick : bool
        True if only differences between patterns are used.
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

    @property
    def axes(self):
        """Nodes of each label, in the order of AXES."""
        return [np.array(getattr(self, name), float) for name in AXES]

    @property
    def points(self):
        """Labels (n, 4) of all nodes, in the order of AXES.

        With elements (n, 5): the last column is the number of the pattern.
        """
        patterns = [range(len(self.patterns))] if self.elements else []
        return np.array(list(product(*self.axes, *patterns)))

    @property
    def digest(self):
        """16 hex digits that change when any node would change."""
        data = [hdf5.compute_file_digest(path) for path in (lines.LINE_FILE, atmosphere.TABLE_FILE)]
        fields = asdict(self)
        is_quick = fields.pop("quick")
        settings = [fields, PIXELS_PER_FWHM, OVERSAMPLING, MARGIN, data]
        if is_quick:
            settings += [QUICK_LAYERS, QUICK_HYDROGEN]
        return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]

    def fine_wave(self):
        """Wavelengths (A) to synthesise: window and margins, step / OVERSAMPLING km/s apart."""
        edge = np.exp(MARGIN / broaden.LIGHT)
        step = self.step / OVERSAMPLING
        return broaden.make_velocity_grid(self.wave_min / edge, self.wave_max * edge, step)

    def wave(self):
        """Wavelengths (A) of the nodes, `step` km/s apart."""
        return self.fine_wave()[::OVERSAMPLING]


def read_grid(path):
    """Read the NodeGrid of a library; UserError if the file is missing or damaged."""
    with hdf5.open_stage(path, "nodes", script="grid.py") as h5:
        axes = {name: tuple(hdf5.get_dataset(h5, f"nodes/{name}")[:].tolist()) for name in AXES}
        wave_min, wave_max = h5["nodes/flux"].attrs["window"]
        attributes = h5["nodes"].attrs
        return NodeGrid(
            float(wave_min),
            float(wave_max),
            **axes,
            atmosphere=str(attributes["atmosphere"]),
            resolving_power=round(float(h5["spectra"].attrs["resolving_power"])),
            elements=tuple(filter(None, str(attributes.get("elements", "")).split(","))),
            quick=bool(attributes.get("quick", False)),
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
        flux = h5["nodes/flux"]
        failed = h5["nodes/failed"][:]
        rows = np.arange(len(failed)) if rows is None else np.asarray(rows)
        if len(rows) == 0:
            raise UserError(f"{path} has no nodes in the requested range: widen the grid")
        scale = np.float32(flux.attrs["scale"])
        return hdf5.read_rows(flux, rows).astype("f4") * scale, failed[rows]
