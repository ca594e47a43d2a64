"""Wavelengths of FITS images: linear, logarithmic and other scales of the header, and IRAF's."""

import re
from typing import NamedTuple

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS

from starlabels.base.errors import UserError
from starlabels.spectra.headers import read_keyword
from starlabels.spectra.wave_units import UNITS, parse_unit

# CTYPE of spectral axes, Greisen et al. 2006, and their units if CUNIT is missing
SPECTRAL = {"WAVE": "m", "AWAV": "m", "FREQ": "Hz", "WAVN": "1/m", "ENER": "J"}
NO_WAVELENGTH = r"^(RA|DEC|[GES]L(ON|AT)|X|Y|VELO|VRAD|VOPT|ZOPT|BETA|PIXEL|STOKES)\b"
AXIS_KEYS = ("CTYPE", "CRVAL", "CRPIX", "CDELT", "CUNIT")
CHUNK = 68  # characters of a WATn_nnn card: astropy drops the blanks at its end


class Scale(NamedTuple):
    """Wavelengths (n,) as a header states them: in a unit, or their logarithm; and remarks."""

    values: np.ndarray
    log: str | None = None
    unit: str | None = None
    notes: tuple[str, ...] = ()


def find_spectral_axis(header, n_dim):
    """Number of the axis with wavelengths, from 1; 1 if no CTYPEn states it."""
    kinds = [read_keyword(header, f"CTYPE{k}").split("-")[0] for k in range(1, n_dim + 1)]
    return next((k for k, kind in enumerate(kinds, 1) if kind in SPECTRAL), 1)


def move_axis_first(header, axis):
    """Copy of a header whose keywords of an axis are those of axis 1."""
    moved = dict(header)
    if axis > 1:
        for key in AXIS_KEYS:
            moved.pop(f"{key}1", None)
            if f"{key}{axis}" in header:
                moved[f"{key}1"] = header[f"{key}{axis}"]
        for key in ("CD", "PC"):
            moved.pop(f"{key}1_1", None)
            if f"{key}{axis}_{axis}" in header:
                moved[f"{key}1_1"] = header[f"{key}{axis}_{axis}"]
    return moved


def get_number(header, key):
    """Number of a keyword; None if it is absent or no number."""
    value = header.get(key)
    return float(value) if isinstance(value, (int, float)) and np.isfinite(value) else None


def choose_step(header):
    """(step per pixel or None, remarks): CD1_1, else PC1_1 CDELT1.

    1 is the default that programs leave in one of two keywords: the other one holds the step.
    """
    delta, matrix = get_number(header, "CDELT1"), get_number(header, "CD1_1")
    if matrix and delta and matrix == 1.0 != delta:
        return delta, (f"CDELT1 {delta:g} was taken, not CD1_1 1",)
    if matrix:
        return matrix, ()
    return (delta * (get_number(header, "PC1_1") or 1.0) if delta else None), ()


def compute_linear_scale(header, n):
    """Linear scale (n,) of CRVAL1, CRPIX1 (default 1) and the step; None if absent."""
    step, _ = choose_step(header)
    start = get_number(header, "CRVAL1")
    if not step or start is None:
        return None
    first = get_number(header, "CRPIX1")
    first = 1.0 if first is None else first
    if first == 0 and "HERMES" in read_keyword(header, "INSTRUME"):
        first = 1.0  # GALAH counts from 0
    return start + step * (np.arange(1, n + 1) - first)


def compute_wavelengths(path, header, n):
    """Compute the wavelengths of an image from its header.

    Parameters
    ----------
    path : Path
        File to name in a message.
    header : mapping
        Keywords of axis 1.
    n : int
        Number of pixels.

    Returns
    -------
    Scale or None
        None if the header has no scale.

    Raises
    ------
    UserError
        If the scale is of a kind that cannot be read.
    """
    kind = read_keyword(header, "CTYPE1")
    if "COEFF0" in header and "CRVAL1" not in header:
        start, step = get_number(header, "COEFF0"), get_number(header, "COEFF1")
        if start is None or not step:
            return None
        return Scale(start + step * np.arange(n), "log10", "Angstrom")
    values = compute_linear_scale(header, n)
    if values is None:
        return None
    notes = choose_step(header)[1]
    unit = find_unit(header, kind, values)
    start = get_number(header, "CRVAL1")
    code = kind[4:].strip("-") if kind[:4] in SPECTRAL else ""
    if code and code != "LOG":
        return Scale(compute_by_wcs(path, header, kind, unit, n), None, "m", notes)
    logarithm = start < 0 or 1.5 < start < 20
    if code == "LOG" and not logarithm:
        # Greisen et al. 2006, eq. 5; else CRVAL1 is itself a logarithm
        return Scale(start * np.exp((values - start) / start), None, unit, notes)
    flagged = str(header.get("DC-FLAG", "")).strip() in ("1", "True", "T")
    if flagged or "LOG" in kind and logarithm:
        log = "ln" if "LN" in kind or values.max() >= 6 else "log10"
        return Scale(values, log, unit, notes)
    return Scale(values, None, unit, notes)


def find_unit(header, kind, values):
    """Unit of the wavelengths: CUNIT1, IRAF's WAT1, CTYPE1, or what FITS has without them."""
    match = re.search(r"units=(\w+)", read_wat(header, 1))
    stated = str(header.get("CUNIT1") or "").strip() or (match and match[1])
    if stated:
        return stated
    if kind.lower() in UNITS:
        return kind
    default = SPECTRAL.get(kind[:4])
    if default == "m" and not 0 < np.median(values) < 1e-3:
        return None  # Angstrom, against the standard
    return default


def compute_by_wcs(path, header, kind, unit, n):
    """Wavelengths (n,) in m of a scale such as WAVE-F2W or AWAV-GRI, by astropy's WCS."""
    axis = fits.Header({"CTYPE1": kind, "CRPIX1": get_number(header, "CRPIX1") or 1.0})
    parsed, _ = parse_unit(path, unit or SPECTRAL[kind[:4]])
    factor = (1 * parsed).to_value(SPECTRAL[kind[:4]])
    axis["CRVAL1"] = get_number(header, "CRVAL1") * factor
    axis["CDELT1"] = choose_step(header)[0] * factor
    for key in ("RESTFRQ", "RESTWAV", *(f"PV1_{i}" for i in range(7))):
        if get_number(header, key) is not None:
            axis[key] = header[key]
    try:
        values = WCS(axis).wcs_pix2world(np.arange(n, dtype="f8"), 0)[0]
        unit = SPECTRAL[kind[:4]]
        return (values * parse_unit(path, unit)[0]).to_value("m", equivalencies=_spectral())
    except Exception as error:  # wcslib's, of many classes
        reason = " ".join(str(error).split())[:60]
        found = f"its wavelengths of CTYPE1 {kind} cannot be computed, {reason}"
        raise UserError(f"{path}: {found}: write it with linear wavelengths") from None


def _spectral():
    """Conversions between wavelength, frequency, wavenumber and energy."""
    from astropy import units as u

    return u.spectral()


def read_wat(header, axis):
    """Text of IRAF's cards WATn_001, WATn_002, ...: their values joined."""
    parts = []
    while (key := f"WAT{axis}_{len(parts) + 1:03d}") in header:
        parts.append(str(header[key]).ljust(CHUNK))
    return "".join(parts)


def compute_multispec(path, header, n_orders, n):
    """Compute the wavelengths of the orders of an IRAF multispec image.

    Parameters
    ----------
    path : Path
        File to name in a message.
    header : mapping
    n_orders, n : int
        Numbers of orders and of pixels.

    Returns
    -------
    list of Scale

    Raises
    ------
    UserError
        If orders are missing in the header, or are neither linear nor logarithmic.
    """
    match = re.search(r"units=(\w+)", read_wat(header, 1))
    unit = match[1] if match else "Angstrom"
    entries = re.findall(r'spec(\d+)\s*=\s*"([^"]*)"', read_wat(header, 2))
    texts = {int(number): text for number, text in entries}
    missing = [k for k in range(1, n_orders + 1) if k not in texts]
    if missing:
        n_known = n_orders - len(missing)
        found = f"an IRAF multispec file of {n_orders} orders with wavelengths of {n_known}"
        raise UserError(f"{path} is {found} in WAT2: write it again by IRAF's dispcor")
    return [parse_order(path, k, texts[k], unit, n) for k in range(1, n_orders + 1)]


def parse_order(path, number, text, unit, n):
    """Scale of the text of one order: ap beam dtype w1 dw nw z aplow aphigh functions."""
    try:
        fields = [float(field) for field in text.split()]
        kind, start, step, n_used, redshift = fields[2:7]
    except ValueError:
        found = f"is an IRAF multispec file, in which spec{number} is {text[:40]!r}"
        raise UserError(f"{path} {found}: write it again by IRAF's dispcor") from None
    if kind not in (0, 1):
        found = f"an IRAF multispec file with non-linear wavelengths in order {number}"
        raise UserError(f"{path} is {found}: bring it to linear ones by IRAF's dispcor")
    values = start + step * np.arange(n)
    values[np.arange(n) >= n_used] = np.nan
    if kind == 1:
        return Scale(values - np.log10(1 + redshift), "log10", unit)
    return Scale(values / (1 + redshift), None, unit)
