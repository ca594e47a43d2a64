"""Metadata of a spectrum in a FITS header: air or vacuum, resolving power, rest frame."""

import re

from starlabels.spectra import instruments
from starlabels.spectra.column_names import find_text_medium

POWER_KEYS = (
    "SPEC_RP SPECRP RESPOWER RESOLPOW RESOLVPW RESOLUTN RESOLUTI RESOLUTION SPEC_RES R".split()
)
# Other pipelines with one medium than those in instruments.py, in INSTRUME, TELESCOP or EXTNAME
IN_VACUUM = r"\bDESI\b|\bHST\b|JWST|CARMENES|EXPRES|NEID|\bKPF\b|MAROON|SPIROU|\bHPF\b|\bRVS\b"
IN_AIR = r"UVES|HERMES|GIRAFFE|MUSE|XSHOOTER"
PYPEIT = ("DMODCLS", "PYP_SPEC", "PYPELINE")  # keywords of PypeIt, which writes vacuum


def read_metadata(header, power=None, medium=None, source=None):
    """{field of RawSpectrum: value} of a header; power and medium if the format implies them."""
    frame = read_keyword(header, "FRAME")
    if medium is None:
        medium, source = find_medium(header)
    return {
        "medium": medium,
        "medium_source": source or "survey format",
        "resolving_power": power or find_resolving_power(header),
        "rest": read_keyword(header, "SPECSYS") == "SOURCE"
        or frame in ("REST", "SOURCE", "STELLAR"),
        "normalised": header.get("CONTNORM") is True,  # ESO's science data products
    }


def read_keyword(header, key):
    """Value of a keyword as text in capitals; "" if absent."""
    return str(header.get(key) or "").strip().upper()


def name_instrument(header):
    """Instrument and telescope, else the comments, and the extension name; in capitals."""
    origin = read_keyword(header, "INSTRUME") + " " + read_keyword(header, "TELESCOP")
    if not origin.strip():
        origin = read_keyword(header, "COMMENT")
    return f"{origin} {read_keyword(header, 'EXTNAME')}"


def find_medium(header):
    """("air" or "vacuum", how it is known) by keyword, comment or pipeline; else (None, "")."""
    for key in ("VACUUM", "WAVEVAC", "VACWAVE"):
        if key in header:
            return ("vacuum" if header[key] in (True, 1, "T", "True", "true") else "air"), "header"
    for key in ("AIRORVAC", "AIRVAC", "WAVETYPE", "MEDIUM", "LAMTYPE", "CTYPEDSC"):
        start = read_keyword(header, key)[:3]
        if start in ("AIR", "VAC"):
            return ("air" if start == "AIR" else "vacuum"), "header"
    kind = read_keyword(header, "CTYPE1").split("-")[0]
    if kind in ("AWAV", "WAVE"):  # Greisen et al. 2006, table 1
        return ("air" if kind == "AWAV" else "vacuum"), "header"
    if kind in ("FREQ", "WAVN", "ENER"):
        return "vacuum", "header"
    unit = find_text_medium(read_keyword(header, "CUNIT1"))
    if unit:
        return unit, "header"
    comment = f"{read_keyword(header, 'COMMENT')} {read_keyword(header, 'HISTORY')}"
    about = re.findall(r"[^.;]*WAVEL[^.;]*", comment)
    if stated := find_text_medium(" ".join(about)):
        return stated, "comment"
    name = name_instrument(header)
    if any(key in header for key in PYPEIT):
        return "vacuum", "survey format"
    if instrument := instruments.find_instrument(name):
        return instrument.medium, "survey format"
    if re.search(IN_VACUUM, name):
        return "vacuum", "survey format"
    return ("air", "survey format") if re.search(IN_AIR, name) else (None, "")


def find_resolving_power(header):
    """Resolving power lambda / FWHM by keyword, else of the instrument; None if unknown."""
    for key in POWER_KEYS:
        try:
            value = float(header.get(key))
        except (TypeError, ValueError):
            continue
        if 100 < value < 1e6:  # else a magnitude (R), or a resolution in Angstrom
            return value
    instrument = instruments.find_instrument(name_instrument(header))
    return instrument.resolving_power if instrument else None
