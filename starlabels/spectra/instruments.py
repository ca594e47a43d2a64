"""What the products of usual instruments leave unsaid: resolving power, medium, kind of error."""

from typing import NamedTuple

from starlabels.base.errors import UserError


class Instrument(NamedTuple):
    """Usual properties of the spectra of an instrument.

    Attributes
    ----------
    resolving_power : float
        lambda / FWHM of its usual mode.
    medium : str
        "air" or "vacuum", of the wavelengths of its pipeline.
    error_kind : str
        "sigma", "variance" or "ivar" (1 / sigma^2), of the errors of its pipeline.
    source : str
        Where the resolving power is from.
    """

    resolving_power: float
    medium: str
    error_kind: str
    source: str


INSTRUMENTS = {
    "APOGEE": Instrument(22_500, "vacuum", "sigma", "Wilson et al. 2019"),
    "BOSS": Instrument(1_850, "vacuum", "ivar", "Smee et al. 2013, at 4500-5000 Angstrom"),
    "DESI": Instrument(3_000, "vacuum", "ivar", "Abareshi et al. 2022, at 4700 Angstrom"),
    "ELODIE": Instrument(42_000, "air", "sigma", "Baranne et al. 1996"),
    "ESPADONS": Instrument(68_000, "air", "sigma", "Donati 2003, spectropolarimetric mode"),
    "ESPRESSO": Instrument(140_000, "air", "sigma", "Pepe et al. 2021, mode HR11 and HR21"),
    "FEROS": Instrument(48_000, "air", "sigma", "Kaufer et al. 1999"),
    "GAIA-RVS": Instrument(11_500, "vacuum", "sigma", "Cropper et al. 2018"),
    "GALAH": Instrument(28_000, "air", "sigma", "De Silva et al. 2015"),
    "HARPS": Instrument(115_000, "air", "sigma", "Mayor et al. 2003"),
    "HARPS-N": Instrument(115_000, "air", "sigma", "Cosentino et al. 2012"),
    "LAMOST-LRS": Instrument(1_800, "vacuum", "ivar", "Cui et al. 2012"),
    "LAMOST-MRS": Instrument(7_500, "vacuum", "ivar", "Liu et al. 2020"),
    "NARVAL": Instrument(65_000, "air", "sigma", "Auriere 2003"),
    "RAVE": Instrument(7_500, "air", "sigma", "Steinmetz et al. 2006"),
    "SDSS": Instrument(1_850, "vacuum", "ivar", "Smee et al. 2013, at 4500-5000 Angstrom"),
    "SOPHIE": Instrument(75_000, "air", "sigma", "Perruchot et al. 2008, high-resolution mode"),
}


def get_instrument(name):
    """The Instrument of a name in any case; UserError if it is not in the table."""
    key = str(name).strip().upper().replace("_", "-").replace(" ", "-")
    if key not in INSTRUMENTS:
        choices = ", ".join(INSTRUMENTS)
        raise UserError(
            f"instrument {name!r} is not known: give one of {choices}, "
            "or --resolving-power and --air or --vacuum"
        )
    return INSTRUMENTS[key]
