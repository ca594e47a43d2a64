"""Spectra in tables, of FITS or of text: which column is which, and its unit."""

import re
from textwrap import shorten

import numpy as np

from starlabels.base.errors import UserError
from starlabels.spectra.headers import read_metadata
from starlabels.spectra.spectrum import UNITS, RawSpectrum
from starlabels.synthesis.broaden import FWHM

WAVE_NAMES = """wave wavelength wavelengths lambda lam wl wav waveobs wave_obs wave_vac wave_vacuum wavelength_vac wavelength_vacuum
wave_air wavelength_air loglam log_lam loglambda log_lambda logwave log_wave log_wavelength log10_wave lnlam lnlambda""".split()
FLUX_NAMES = "flux fluxes spec spectrum flam f_lambda norm_flux flux_norm normalized_flux flux_reduced intensity counts".split()
ERROR_NAMES = """err error errs errors sigma sig flux_err fluxerr flux_error fluxerror e_flux err_flux error_flux properr uncertainty
unc noise err_reduced flux_sigma flux_std std stdev""".split()
IVAR_NAMES = "ivar invvar inv_var flux_ivar inverse_variance".split()
VARIANCE_NAMES = "var variance flux_var stat".split()
BRIGHTSKY = (
    1 << 23
)  # of SDSS's and_mask, SPPIXMASK: sky far above the star's light; what is worse already has ivar = 0
WINDOW = (
    4500.0,
    5000.0,
)  # Angstrom where the resolving power of SDSS is taken, for it doubles along the spectrum


def split_unit(name):
    """(name in small letters, unit or None): wave_nm, wavelength (nm) and wavelength [nm] all hold the unit nm."""
    name = str(name).strip().strip("\"'")
    match = re.fullmatch(r"(.+?)\s*[\(\[]\s*(.+?)\s*[\)\]]", name) or re.fullmatch(
        r"(.+)_([^_]+)", name
    )
    if match and (name[-1] in ")]" or match[2].lower() in UNITS):
        return split_unit(match[1])[0], match[2]
    return re.sub(r"[\s-]+", "_", name.lower()), None


def convert_to_errors(name, values):
    """Standard errors (n,) of values whose name tells whether they are a variance, its inverse, or errors already."""
    name = split_unit(name)[0]
    values = np.array(values, "f8")
    with np.errstate(divide="ignore", invalid="ignore"):
        if name in IVAR_NAMES:
            return np.where(values <= 0, np.inf, values**-0.5)  # 0 says: bad pixel
        if name in VARIANCE_NAMES:
            return np.sqrt(values)
    return values


def choose_column(names, asked, usual):
    """The column asked for, else the first of the usual names; None if it is not there."""
    if asked is not None:
        return next(
            (name for name in names if asked.lower() in (name.lower(), split_unit(name)[0])), None
        )
    known = {split_unit(name)[0]: name for name in reversed(names)}
    return next((known[name] for name in usual if name in known), None)


def list_named_columns(options):
    """The names of columns that the command line gives."""
    return [
        name for name in (options.wave_column, options.flux_column, options.error_column) if name
    ]


def build_from_columns(path, columns, options, header, units=None, media=None):
    """The Found of {name: values (n,)} and a header; None if there are no columns of the names of a spectrum, or those asked.

    units, media: {name: unit} and {name: "air" or "vacuum"} where the file tells."""
    names = list(columns)
    wave = choose_column(names, options.wave_column, WAVE_NAMES)
    flux = choose_column(names, options.flux_column, FLUX_NAMES)
    error = choose_column(names, options.error_column, [*ERROR_NAMES, *IVAR_NAMES, *VARIANCE_NAMES])
    if wave is None or flux is None or (error is None and options.error_column):
        return None
    lengths = {name: len(columns[name]) for name in (wave, flux, error) if name}
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{name} {n}" for name, n in lengths.items())
        raise UserError(
            f"{path} has columns of unequal length, {found}: name those that belong together"
        )
    values = np.array(columns[flux], "f8")
    mask = next((name for name in names if name.lower() == "and_mask"), None)
    if mask and len(columns[mask]) == len(values):
        values[(columns[mask].astype("i8") & BRIGHTSKY) != 0] = np.nan
    sigma = None if error is None else convert_to_errors(error, columns[error])
    name, unit = split_unit(wave)
    log = "log10" if name.startswith("log") else "ln" if name.startswith("ln") else None
    about = read_metadata(
        header, measure_sdss_resolution(columns), find_column_medium(wave, names) or (media or {}).get(wave)
    )
    return RawSpectrum(
        np.array(columns[wave], "f8"), values, sigma, (units or {}).get(wave) or unit, log, **about
    )


def find_column_medium(wave, names):
    """ "air" or "vacuum" of the column of wavelengths by its name, SDSS's loglam among them; None if it does not tell."""
    name, others = split_unit(wave)[0], [split_unit(other)[0] for other in names]
    if "air" in name.split("_"):
        return "air"
    return (
        "vacuum"
        if name.split("_")[-1] in ("vac", "vacuum") or name + "_air" in others or name == "loglam"
        else None
    )


def measure_sdss_resolution(columns):
    """Resolving power in WINDOW, else of the whole, by SDSS's wdisp: sigma of the line-spread function in pixels of loglam."""
    lower = {
        name.lower(): np.array(values, "f8")
        for name, values in columns.items()
        if name.lower() in ("wdisp", "loglam")
    }
    if len(lower) < 2:
        return None
    wave, step = 10 ** lower["loglam"], np.median(np.abs(np.diff(lower["loglam"])))
    ok = lower["wdisp"] > 0
    inside = ok & (wave > WINDOW[0]) & (wave < WINDOW[1])
    sigma = (
        np.median(lower["wdisp"][inside if inside.any() else ok]) * step * np.log(10)
        if ok.any()
        else 0
    )  # d ln(lambda)
    return float(1 / (FWHM * sigma)) if sigma else None


def read_fits_table(path, header, table, about, options):
    """The Found of a FITS table, one row a pixel or a single row with arrays in its cells; None if it is no spectrum.

    header is that of the table; about knows the primary header too."""
    if len(table) == 0:
        return None
    names, single = list(table.names), len(table) == 1
    columns, many = {}, []
    for name in (n for n in names if table[n].dtype.kind in "fiuO"):
        values = np.atleast_1d(np.asarray(table[name][0] if single else table[name]))
        if values.ndim > 1 and not single or values.dtype.kind == "O":
            many.append(name)  # an array a row
        else:
            columns[name] = values.ravel()
    if choose_column(many, None, WAVE_NAMES) and choose_column(many, None, FLUX_NAMES):
        raise UserError(
            f"{path} holds {len(table)} spectra in the rows of a table: write each to a file, or all as HDF5"
        )
    units = {name: header.get(f"TUNIT{i + 1}") for i, name in enumerate(names)}
    concepts = {"em.wl;obs.atmos": "air", "em.wl": "vacuum"}  # ESO's science data products
    media = {
        name: concepts.get(str(header.get(f"TUCD{i + 1}")).lower()) for i, name in enumerate(names)
    }
    return build_from_columns(path, columns, options, about, units, media)


def read_text_table(path, text, options):
    """The Found of a text table: comma, semicolon, tab or blanks between columns, with or without names; UserError if none."""
    units, comments = {}, []
    if text.startswith("# %ECSV"):
        columns, units = read_ecsv(path, text)
    else:
        columns, comments = parse_text_table(path, text, options)
    if "1" in columns:  # without names: wavelength, flux, error
        usual = {
            "wave_column": "1",
            "flux_column": "2",
            "error_column": "3" if "3" in columns else None,
        }
        options = options._replace(
            **{key: getattr(options, key) or column for key, column in usual.items()}
        )
    found = build_from_columns(path, columns, options, {"MEDIUM": find_commented_medium(comments)}, units)
    if found is None:
        there = f"{shorten(', '.join(columns), 60)}" + (
            f", not {', '.join(list_named_columns(options))}" if list_named_columns(options) else ""
        )
        raise UserError(
            f"{path} has columns {there}: name those of the spectrum with --wave-column and --flux-column"
        )
    return found


def read_ecsv(path, text):
    """({name: values (n,)}, {name: unit}) of the numbers in astropy's ECSV."""
    from astropy.table import Table

    try:
        table = Table.read(text, format="ascii.ecsv")
    except (ValueError, TypeError, KeyError) as error:
        raise UserError(
            f"{path} is no sound ECSV table, {' '.join(str(error).split())[:80]}: write it anew"
        ) from None
    names = [name for name in table.colnames if table[name].dtype.kind in "fiu"]
    columns = {
        name: np.ma.filled(np.ma.asarray(table[name]).astype("f8"), np.nan) for name in names
    }
    return columns, {name: str(table[name].unit) for name in names if table[name].unit}


def find_commented_medium(comments):
    """ "air" or "vacuum" if the comments hold one of the words, else ""."""
    words = {
        word
        for word in ("air", "vacuum")
        if any(re.search(rf"\b{word}\b", line, re.IGNORECASE) for line in comments)
    }
    return words.pop() if len(words) == 1 else ""


def parse_text_table(path, text, options):
    """({name: values (n,)}, comment lines) of a text table; columns without names are "1", "2", ..."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    comments = [line.lstrip("#!% ") for line in lines if line[0] in "#!%"]
    body = [line for line in lines if line[0] not in "#!%"]
    mark = next((mark for mark in ";,\t" if body and mark in body[-1]), None)
    if mark == ";" and "." not in "".join(body):
        body = [line.replace(",", ".") for line in body]  # decimal commas
    heads = [
        re.sub(r"\s+([\(\[])", r"\1", line) for line in (*body[:1], *comments[-1:])
    ]  # wave (nm) is one name
    names = split_line(heads[0], mark) if body else []
    if all(parse_number(name, None) is not None for name in names if name):
        names = split_line(heads[-1], mark) if comments else []
        usable = {split_unit(name)[0] for name in names} & {*WAVE_NAMES, (options.wave_column or "").lower()}
        names = names if usable else []
    else:
        body = body[1:]
    if not body:
        raise UserError(
            f"{path} has no rows: expected lines of wavelength, flux and, if known, error"
        )
    table = parse_numbers(path, body, mark)  # (n, n_columns)
    if names and len(names) != table.shape[1]:
        raise UserError(
            f"{path} names {len(names)} columns but its lines have {table.shape[1]}: mend the line of names"
        )
    return dict(zip(names or map(str, range(1, table.shape[1] + 1)), table.T)), comments


def parse_numbers(path, lines, mark):
    """The lines of a table as numbers (n, n_columns), NaN where an entry is none; UserError if they are no table."""
    rows = [split_line(line.split("#")[0], mark) for line in lines]
    if len({len(row) for row in rows}) > 1:
        message = f"{path} is no table, its lines differ in their number of columns: expected wavelength, flux, error"
        raise UserError(message)
    table = np.array([[parse_number(entry) for entry in row] for row in rows])
    if np.isfinite(table).any(axis=0).sum() < 2:
        raise UserError(
            f"{path} is no table of numbers: expected columns of wavelength, flux and, if known, error"
        )
    return table


def parse_number(entry, otherwise=np.nan):
    """The number that a text is, else what is given for that."""
    try:
        return float(entry)
    except ValueError:
        return otherwise


def split_line(line, mark):
    """The entries of a line, without blanks and quotes around them."""
    return [entry.strip(" \t\"'") for entry in line.split(mark)]
