"""Spectra in table columns: which column holds what, its unit, and the spectrum of a FITS table."""

import re

import numpy as np

from starlabels.base.errors import UserError
from starlabels.spectra.headers import read_metadata
from starlabels.spectra.spectrum import UNITS, RawSpectrum
from starlabels.synthesis.broaden import FWHM

WAVE_NAMES = """wave wavelength wavelengths lambda lam wl wav waveobs wave_obs wave_vac wave_vacuum
wavelength_vac wavelength_vacuum wave_air wavelength_air loglam log_lam loglambda log_lambda
logwave log_wave log_wavelength log10_wave lnlam lnlambda""".split()
FLUX_NAMES = """flux fluxes spec spectrum flam f_lambda norm_flux flux_norm normalized_flux
flux_reduced intensity counts""".split()
ERROR_NAMES = """err error errs errors sigma sig flux_err fluxerr flux_error fluxerror e_flux
err_flux error_flux properr uncertainty unc noise err_reduced flux_sigma flux_std std
stdev""".split()
IVAR_NAMES = "ivar invvar inv_var flux_ivar inverse_variance".split()
VARIANCE_NAMES = "var variance flux_var stat".split()
# Bit of SDSS's and_mask (SPPIXMASK): sky far above the light of the star. Worse pixels have ivar 0.
BRIGHTSKY = 1 << 23
# Angstrom: range in which the resolving power of SDSS is measured; it doubles along the spectrum.
WINDOW = (4500.0, 5000.0)


def split_unit(name):
    """(name in small letters, unit or None) of a column such as wave_nm or wavelength [nm]."""
    name = str(name).strip().strip("\"'")
    in_brackets = re.fullmatch(r"(.+?)\s*[\(\[]\s*(.+?)\s*[\)\]]", name)
    match = in_brackets or re.fullmatch(r"(.+)_([^_]+)", name)
    if match and (name[-1] in ")]" or match[2].lower() in UNITS):
        return split_unit(match[1])[0], match[2]
    return re.sub(r"[\s-]+", "_", name.lower()), None


def convert_to_errors(name, values):
    """Standard errors (n,) of a column, which by its name holds errors, variances or inverses."""
    name = split_unit(name)[0]
    values = np.array(values, "f8")
    with np.errstate(divide="ignore", invalid="ignore"):
        if name in IVAR_NAMES:
            return np.where(values <= 0, np.inf, values**-0.5)  # 0 marks a bad pixel
        if name in VARIANCE_NAMES:
            return np.sqrt(values)
    return values


def choose_column(names, wanted, usual):
    """The wanted column, or the first of the usual names if none is wanted; None if absent."""
    if wanted is not None:
        for name in names:
            if wanted.lower() in (name.lower(), split_unit(name)[0]):
                return name
        return None
    known = {split_unit(name)[0]: name for name in reversed(names)}
    return next((known[name] for name in usual if name in known), None)


def list_named_columns(options):
    """Column names given on the command line."""
    named = (options.wave_column, options.flux_column, options.error_column)
    return [name for name in named if name]


def build_from_columns(path, columns, options, header, units=None, media=None):
    """RawSpectrum of {name: values (n,)} and a header; None if a needed column is absent.

    units, media: {name: unit} and {name: "air" or "vacuum"} as far as the file states them.
    """
    names = list(columns)
    wave = choose_column(names, options.wave_column, WAVE_NAMES)
    flux = choose_column(names, options.flux_column, FLUX_NAMES)
    error_names = [*ERROR_NAMES, *IVAR_NAMES, *VARIANCE_NAMES]
    error = choose_column(names, options.error_column, error_names)
    if wave is None or flux is None or (error is None and options.error_column):
        return None
    lengths = {name: len(columns[name]) for name in (wave, flux, error) if name}
    if len(set(lengths.values())) > 1:
        sizes = ", ".join(f"{name} {n}" for name, n in lengths.items())
        hint = "name those that belong together"
        raise UserError(f"{path} has columns of unequal length, {sizes}: {hint}")
    values = np.array(columns[flux], "f8")
    mask = next((name for name in names if name.lower() == "and_mask"), None)
    if mask and len(columns[mask]) == len(values):
        values[(columns[mask].astype("i8") & BRIGHTSKY) != 0] = np.nan
    flux_err = None if error is None else convert_to_errors(error, columns[error])
    name, unit = split_unit(wave)
    log = "log10" if name.startswith("log") else "ln" if name.startswith("ln") else None
    medium = find_column_medium(wave, names) or (media or {}).get(wave)
    metadata = read_metadata(header, measure_sdss_resolution(columns), medium)
    unit = (units or {}).get(wave) or unit
    return RawSpectrum(np.array(columns[wave], "f8"), values, flux_err, unit, log, **metadata)


def find_column_medium(wave, names):
    """ "air" or "vacuum" by the name of the wavelength column; None if the name is neutral."""
    name = split_unit(wave)[0]
    if "air" in name.split("_"):
        return "air"
    if name.split("_")[-1] in ("vac", "vacuum") or name == "loglam":  # loglam: SDSS
        return "vacuum"
    return "vacuum" if f"{name}_air" in [split_unit(other)[0] for other in names] else None


def measure_sdss_resolution(columns):
    """Resolving power in WINDOW, else of all pixels, from SDSS's wdisp; None if absent.

    wdisp is the sigma of the line-spread function in pixels of loglam.
    """
    lower = {name.lower(): values for name, values in columns.items()}
    if "wdisp" not in lower or "loglam" not in lower:
        return None
    wdisp = np.array(lower["wdisp"], "f8")
    loglam = np.array(lower["loglam"], "f8")
    wave = 10**loglam
    step = np.median(np.abs(np.diff(loglam)))
    good = wdisp > 0
    if not good.any():
        return None
    inside = good & (wave > WINDOW[0]) & (wave < WINDOW[1])
    sigma = np.median(wdisp[inside if inside.any() else good]) * step * np.log(10)  # d ln(lambda)
    return float(1 / (FWHM * sigma)) if sigma else None


def read_fits_table(path, header, table, metadata, options):
    """RawSpectrum of a FITS table; None if it holds no spectrum.

    The table has one row per pixel, or a single row with arrays in its cells. `header` is the
    header of the table; `metadata` also holds the primary header.
    """
    if len(table) == 0:
        return None
    names = list(table.names)
    single = len(table) == 1
    columns = {}
    row_arrays = []  # columns with one array per row
    for name in (n for n in names if table[n].dtype.kind in "fiuO"):
        values = np.atleast_1d(np.asarray(table[name][0] if single else table[name]))
        if values.ndim > 1 and not single or values.dtype.kind == "O":
            row_arrays.append(name)
        else:
            columns[name] = values.ravel()
    if choose_column(row_arrays, None, WAVE_NAMES) and choose_column(row_arrays, None, FLUX_NAMES):
        found = f"{len(table)} spectra in the rows of a table"
        raise UserError(f"{path} holds {found}: write each to a file, or all as HDF5")
    concepts = {"em.wl;obs.atmos": "air", "em.wl": "vacuum"}  # ESO's science data products
    units = {}
    media = {}
    for i, name in enumerate(names, 1):
        units[name] = header.get(f"TUNIT{i}")
        media[name] = concepts.get(str(header.get(f"TUCD{i}")).lower())
    return build_from_columns(path, columns, options, metadata, units, media)
