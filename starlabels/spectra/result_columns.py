"""Description and UCD of each column of predict.py's tables, for FITS and VOTable.

UCDs: Unified Content Descriptors 1+ of the IVOA, controlled vocabulary 1.5.
"""

from typing import NamedTuple

from starlabels.base.labels import ELEMENTS, abundance_name, offset_name

ERROR = "stat.error"
# {column: (description, UCD)}
COLUMNS = {
    "name": ("file, with the row or star if it holds several spectra", "meta.id;meta.main"),
    "star_id": ("identifier of the star", "meta.id;meta.main"),
    "status": ("ok, flagged or failed", "meta.code.status"),
    "reasons": ("each flag, or the failure, in words", "meta.note"),
    "medium": ("medium of the wavelengths of the file", "meta.code"),
    "medium_source": ("how the medium is known", "meta.note"),
    "notes": ("what was assumed or combined when the file was read", "meta.note"),
    "flags": ("quality bits, see docs/flags.md; 2048: no result", "meta.code.qual"),
    "teff": ("effective temperature", "phys.temperature.effective"),
    "logg": ("decimal logarithm of the surface gravity in cm/s2", "phys.gravity"),
    "mh": ("metallicity [M/H]", "phys.abund.Z"),
    "feh": ("iron abundance [Fe/H]", "phys.abund.Fe"),
    "alpha_m": ("abundance of alpha elements [alpha/M]", "phys.abund"),
    "vmic": ("microturbulent velocity", "phys.veloc.microTurb"),
    "vsini": ("projected rotational velocity v sin i", "phys.veloc.rotat"),
    "rv": ("radial velocity in the frame of the file", "spect.dopplerVeloc.opt"),
    "resolving_power": ("resolving power lambda / FWHM", "spect.resolution"),
    "snr": ("signal-to-noise ratio per pixel, by the errors of the file", "stat.snr"),
    "snr_scatter": ("signal-to-noise ratio per pixel, by neighbouring pixels", "stat.snr"),
    "coverage": ("fraction of the model's pixels that were observed", "stat.filling"),
    "chi2": ("reduced chi-square of the spectrum of the nodes", "stat.fit.chi2"),
    "fakemag": ("pseudo-luminosity in K_s", "phys.luminosity;em.IR.K"),
    "distance": ("distance", "pos.distance"),
    "parallax": ("parallax of that distance", "pos.parallax"),
    "distance_flags": ("bits on the distance, as in AstroNNDist", "meta.code.qual"),
    "distance_warn": ("a bit on the distance is a warning", "meta.code.qual"),
    "distance_bad": ("the distance is not reliable", "meta.code.qual"),
    "astra_flags": ("bits on the labels, as in AstroNN", "meta.code.qual"),
    "flag_warn": ("any of astra_flags is set", "meta.code.qual"),
    "flag_bad": ("the labels are not reliable", "meta.code.qual"),
}
for _element in ELEMENTS:
    COLUMNS.setdefault(abundance_name(_element), (f"[{_element}/H]", "phys.abund.X"))
    COLUMNS[offset_name(_element)] = (f"[{_element}/M]", "phys.abund.X")
    COLUMNS[f"{_element.lower()}_fe"] = (f"[{_element}/Fe]", "phys.abund.X")
PARTS = {
    "_err_model": "scatter of the network's passes on: ",
    "_err_predictive": "error that the network predicts on: ",
    "_err": "standard error of: ",
}
CORRELATION = "_corr"


class Description(NamedTuple):
    """Words and UCD ("" if unknown) of a column."""

    words: str
    ucd: str


def describe_column(name, unit):
    """The Description of a column; a unit that FITS does not know, dex, is among the words."""
    if name.endswith(CORRELATION):
        labels = name.removesuffix(CORRELATION).replace("_", " and ")
        return Description(f"correlation of the errors of {labels}", "stat.correlation")
    words, ucd = COLUMNS.get(name, (name, ""))
    for suffix, start in PARTS.items():
        base = name.removesuffix(suffix)
        if base != name:
            quantity, of = COLUMNS.get(base, (base, ""))
            words, ucd = start + quantity, f"{ERROR};{of}".rstrip(";")
            break
    return Description(f"{words}, in dex" if unit == "dex" else words, ucd)
