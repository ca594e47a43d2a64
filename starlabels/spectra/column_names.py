"""What a column or an extension holds, by its name: wavelength, flux, error or mask."""

import re
from functools import lru_cache
from typing import NamedTuple

from starlabels.spectra.wave_units import UNITS

ERRORS = {  # kind of error -> pattern of a part of the name
    "relative": r"rel(ative)?_?(err(or)?|sigma|unc\w*)|frac\w*_(err\w*|unc\w*)",
    "ivar": r"i_?var|inv_?var(iance)?|inverse_?var(iance)?|invar|weights?|wgt",
    "snr": r"snr|s_n|sn|s2n|signal_to_noise",
    "variance": r"var|variance|stat",
    "sigma": r"d|e|err|errs|error|errors|sig|sigma|unc|uncert|uncertainty|std|stdev|stddev|noise"
    r"|rms|properr|eflux",
}
MASKS = (
    r"[gb]pm\d*|\w*mask|mask\w*|qual|quality|qualdata\d*|dq|badpix\w*|goodpix\w*|flags?|good|bad"
)
WAVES = (
    r"wave|wavelengths?|wavelen|wavedata|waveobs|wav|wvl|wl|lambda|lam|log10_wave|wavenumbers?"
    r"|spectral_axis|spectral|(log10|log|ln)_?(lam|lambda|wave|wavelength)"
)
FLUXES = (
    r"flux|fluxes|spec|spectrum|spectra|flam|f_?lambda|f_?lam|intensity|counts?|sci|science"
    r"|scidata|ydata"
)
OTHERS = (  # of the spectrograph or the analysis, not of the star
    r"sky|bg\w*|bkg\w*|back\w*|cont|continuum|model\w*|tell\w*|blaze|flat|resol\w*|lsf|psf|wdisp"
    r"|norm\w*|resid\w*|arc|trans\w*|template|fit|throughput|response|drift|dll\w*|profile|bestfit"
)
NEUTRAL = r"air|vac|vacuum|bary|helio|obs|adu|e|ang|angstrom|data\d*|units?|1d"
FLUX_NAMES = """flux fluxes spec spectrum flam f_lambda norm_flux flux_norm normalized_flux
flux_reduced intensity counts""".split()


class Content(NamedTuple):
    """What a column or extension holds.

    Attributes
    ----------
    quantity : str
        "wave", "flux", "error", "mask", "other", or "" if the name does not tell.
    form : str
        Of errors: a key of ERRORS.
    base : str
        The rest of the name: what belongs together has the same one, such as an arm.
    """

    quantity: str
    form: str = ""
    base: str = ""


def split_unit(name):
    """(name in small letters, unit or None) of a column such as wave_nm or wavelength [nm]."""
    name = str(name).strip().strip("\"'")
    in_brackets = re.fullmatch(r"(.+?)\s*[\(\[]\s*(.+?)\s*[\)\]]", name)
    match = in_brackets or re.fullmatch(r"(.+)_([^_]+)", name)
    if match and (name[-1] in ")]" or match[2].lower() in UNITS):
        return split_unit(match[1])[0], match[2]
    return re.sub(r"[\s/.:-]+", "_", name.lower()), None


def find_part(pattern, name):
    """Match of a pattern with whole parts of a name, which underscores separate; or None."""
    return re.search(rf"(?:^|(?<=_))(?:{pattern})(?=_|$)", name)


@lru_cache(maxsize=4096)
def recognise_content(name):
    """Content of a column or extension by its name, in any case.

    Parameters
    ----------
    name : str

    Returns
    -------
    Content
    """
    name = split_unit(name)[0].strip("_")
    name = re.sub(r"^(sci|sky|cal|obj)(?=(flux|wave|i?var|err|blaze|mask)$)", r"\1_", name)
    for joined in ("flux", "counts", "data"):  # FLUXERR, ERRFLUX, ERRDATA
        name = re.sub(rf"(?<=[a-z])(?={joined}(_|\d|$))", "_", name)
        name = re.sub(rf"(^|_){joined}(?=(ivar|err|var|sig|std|unc)\w*)", rf"\1{joined}_", name)
    numbered = re.fullmatch(r"(.*[a-z])_?(\d+)", name)
    if numbered and name not in FLUX_NAMES:
        content = recognise_content(numbered[1])
        if content.quantity not in ("", "other"):
            return content._replace(base=f"{content.base}_{numbered[2]}".strip("_"))
    if name in FLUX_NAMES:
        return Content("flux", "", "reduced" if name == "flux_reduced" else "")
    part = find_part(MASKS, name)
    if part:
        return Content("mask", "", strip_name(name, part))
    for form, pattern in ERRORS.items():
        part = find_part(pattern, name)
        if part and not (part[0] in ("d", "e") and "flux" not in name):
            rest = strip_name(name, part)
            if find_part(WAVES, rest) or find_part(OTHERS, rest):
                return Content("other", form, rest)
            return Content("error", form, rest)
    if find_part(OTHERS, name):
        return Content("other", "", name)
    flux, wave = find_part(FLUXES, name), find_part(WAVES, name)
    if flux and (not wave or flux[0].startswith("f")):  # f_lambda; but sci_wave
        return Content("flux", "", strip_name(name, flux))
    return Content("wave", "", strip_name(name, wave)) if wave else Content("", "", name)


def strip_name(name, part):
    """A name without a match, and without words for flux, medium and units."""
    rest = f"{name[: part.start()]}_{name[part.end() :]}"
    words = [word for word in rest.split("_") if word]
    drop = rf"({FLUXES}|{NEUTRAL})"
    return "_".join(word for word in words if not re.fullmatch(drop, word))


def find_name_medium(name):
    """ "air" or "vacuum" by a word in a name; None if the name is neutral."""
    words = re.split(r"[^a-z]+", str(name).lower())
    if "air" in words:
        return "air"
    return "vacuum" if {"vac", "vacuum"} & set(words) else None


def find_text_medium(text):
    """ "air" or "vacuum" if a text states one of them for its wavelengths; else None."""
    text = re.sub(
        r"\b(not|no|instead of|rather than|from)\s+(in\s+)?(air|vac\w*)", " ", text, flags=re.I
    )
    converted = re.findall(r"\bto\s+(air|vac)", text, re.IGNORECASE)
    if converted:
        return "air" if converted[-1].lower() == "air" else "vacuum"
    words = {word.lower() for word in re.findall(r"\b(air|vacuum|vac)\b", text, re.IGNORECASE)}
    media = {"air" if word == "air" else "vacuum" for word in words}
    return media.pop() if len(media) == 1 else None
