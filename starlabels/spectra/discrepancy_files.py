"""Files of the model discrepancy, with the model of the continuum that its stars passed through."""

from pathlib import Path

import numpy as np

from starlabels.base import hdf5
from starlabels.base.checksums import DATA_FOLDER, verify_checksum
from starlabels.base.errors import UserError
from starlabels.base.untrusted import read_arrays
from starlabels.spectra.continuum import ContinuumModel
from starlabels.spectra.discrepancy import Discrepancy

CONTINUUM = "continuum_"  # before the names of its arrays in a file
MAKE = "make it by python -m starlabels.tools.discrepancy"


def locate_discrepancy(name):
    """Path of a file, or of a packaged one that is given by its name without folder and `.npz`."""
    path = Path(name)
    return DATA_FOLDER / f"discrepancy/{name}.npz" if path.name == name == path.stem else path


def save_discrepancy(path, discrepancy, continuum, provenance):
    """Write a Discrepancy, a ContinuumModel and the text of their provenance as an .npz file."""
    single = {name: values.astype("f4") for name, values in discrepancy._asdict().items()}
    single["wave"] = discrepancy.wave
    curve = {CONTINUUM + name: values for name, values in continuum._asdict().items()}
    np.savez_compressed(path, provenance=np.array(provenance), **single, **curve)


def load_discrepancy(path, wave, order):
    """Read an .npz file.

    Parameters
    ----------
    path : path
        See `locate_discrepancy`.
    wave : array (n_pix,)
        Pixels of the recipe (A).
    order : int
        Order of its continuum.

    Returns
    -------
    Discrepancy
    ContinuumModel

    Raises
    ------
    UserError
        If the file is damaged, is none, or was made for other pixels or another continuum.
    """
    path = verify_checksum(locate_discrepancy(path))
    arrays = read_arrays(path)
    needed = [*Discrepancy._fields, *(CONTINUUM + name for name in ContinuumModel._fields)]
    if missing := [name for name in needed if name not in arrays]:
        raise UserError(f"{path} holds no model discrepancy: it lacks {', '.join(missing)}: {MAKE}")
    discrepancy = Discrepancy(*(arrays[name] for name in Discrepancy._fields))
    curve = ContinuumModel(*(arrays[CONTINUUM + name] for name in ContinuumModel._fields))
    curve = curve._replace(order=int(curve.order))
    made = discrepancy.wave
    if len(made) != len(wave) or not np.allclose(made, wave, atol=1e-3):
        problem = f"was made for {describe_pixels(made)}, `wave` has {describe_pixels(wave)}"
        raise UserError(f"{path} {problem}: {MAKE} --config with this recipe")
    if curve.order != order:
        problem = f"was made with a continuum of order {curve.order}, the recipe has {order}"
        raise UserError(f"{path} {problem}: {MAKE} --config with this recipe")
    return discrepancy, curve


def describe_pixels(wave):
    """Wavelengths (n,) in words."""
    return f"{len(wave)} pixels of {wave[0]:g}-{wave[-1]:g} A"


def write_discrepancy(h5, discrepancy):
    """Write a Discrepancy into the group `discrepancy` of an open HDF5 file."""
    for name, values in discrepancy._asdict().items():
        hdf5.write_dataset(h5, f"discrepancy/{name}", np.asarray(values))


def read_discrepancy(h5):
    """Read the Discrepancy of an open HDF5 file; None if it has none."""
    if "discrepancy" not in h5:
        return None
    names = Discrepancy._fields
    return Discrepancy(*(hdf5.get_dataset(h5, f"discrepancy/{name}")[()] for name in names))
