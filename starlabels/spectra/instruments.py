"""What the products of usual instruments leave unsaid: resolving power, medium, kind of error."""

import re
from typing import NamedTuple

from starlabels.base.errors import UserError


class Instrument(NamedTuple):
    """Usual properties of the spectra of an instrument.

    Attributes
    ----------
    pattern : str
        Regular expression of its name in INSTRUME, TELESCOP or EXTNAME.
    resolving_power : float
        lambda / FWHM of its usual mode.
    medium : str
        "air" or "vacuum", of the wavelengths of its pipeline.
    error_kind : str
        "sigma", "variance" or "ivar" (1 / sigma^2), of the errors of its pipeline.
    """

    pattern: str
    resolving_power: float
    medium: str
    error_kind: str


# The first pattern that fits counts. UVES, HIRES, X-shooter and GIRAFFE vary with the slit.
INSTRUMENTS = {
    "HARPS-N": Instrument(r"HARPN|HARPS-N", 115_000.0, "air", "sigma"),  # Cosentino et al. 2012
    "HARPS": Instrument(r"HARPS", 115_000.0, "air", "sigma"),  # Mayor et al. 2003
    # Pepe et al. 2021, modes HR11 and HR21
    "ESPRESSO": Instrument(r"ESPRESSO", 140_000.0, "vacuum", "sigma"),
    "FEROS": Instrument(r"FEROS", 48_000.0, "air", "sigma"),  # Kaufer et al. 1999
    # Perruchot et al. 2008, high-resolution mode
    "SOPHIE": Instrument(r"SOPHIE", 75_000.0, "air", "sigma"),
    "ELODIE": Instrument(r"ELODIE", 42_000.0, "air", "sigma"),  # Baranne et al. 1996
    "NARVAL": Instrument(r"NARVAL", 65_000.0, "air", "sigma"),  # Auriere 2003
    # Donati 2003, spectropolarimetric mode
    "ESPADONS": Instrument(r"ESPADONS", 68_000.0, "air", "sigma"),
    "APOGEE": Instrument(r"APOGEE", 22_500.0, "vacuum", "sigma"),  # Wilson et al. 2019
    "RAVE": Instrument(r"RAVE", 7_500.0, "air", "sigma"),  # Steinmetz et al. 2006
    # Liu et al. 2020
    "LAMOST-MRS": Instrument(r"COADD_[BR]|LAMOST.*MRS", 7_500.0, "vacuum", "ivar"),
    "LAMOST-LRS": Instrument(r"LAMOST", 1_800.0, "vacuum", "ivar"),  # Cui et al. 2012
    # Smee et al. 2013, at 4500-5000 Angstrom
    "SDSS": Instrument(r"\bSDSS\b|\bBOSS\b", 1_850.0, "vacuum", "ivar"),
}


def get_instrument(name, where=""):
    """The Instrument of a name in any case; UserError if it is not in the table.

    where: what precedes the name in a message, such as the row of a table.
    """
    key = str(name).strip().upper().replace("_", "-").replace(" ", "-")
    if key not in INSTRUMENTS:
        choices = ", ".join(INSTRUMENTS)
        raise UserError(
            f"{where}instrument {name!r} is not known: give one of {choices}, "
            "or --resolving-power and --air or --vacuum"
        )
    return INSTRUMENTS[key]


def find_instrument(text):
    """The first Instrument that a text in capitals names; None if there is none.

    Parameters
    ----------
    text : str
        Instrument, telescope and name of the extension.
    """
    fits = (item for item in INSTRUMENTS.values() if re.search(item.pattern, text))
    return next(fits, None)
