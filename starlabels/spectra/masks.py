"""Masks of bad pixels, whose names and meanings differ between surveys and tools."""

import re

import numpy as np

from starlabels.spectra.column_names import split_unit

# Bit of SDSS's and_mask (SPPIXMASK): sky far above the light of the star. Worse pixels have ivar 0.
BRIGHTSKY = 1 << 23
MOST = 0.5  # a mask of more of the pixels marks the good ones, or something else
GOOD_NAMES = r"gpm|good\w*|\w*_good|opt_mask|box_mask"


def find_bad_pixels(name, values, header, sdss=False):
    """Find the pixels that a mask marks as bad.

    Parameters
    ----------
    name : str
        Name of the column or extension.
    values : array (n,)
        Integers, booleans, or floats without fractions.
    header : mapping
        Header, which may name the pipeline.
    sdss : bool
        The file is of SDSS, where few bits mark a bad pixel.

    Returns
    -------
    bad : ndarray (n,) of bool
    notes : list of str
        What was assumed.
    """
    values = np.nan_to_num(np.asarray(values, "f8"), nan=1.0)
    none = np.zeros(len(values), bool)
    name = split_unit(name)[0]
    if (values % 1 != 0).any():
        return none, [f"{name} was not used as a mask: it holds fractions"]
    bits = values.astype("i8")
    if sdss and "or" in re.split(r"_|mask", name):
        return none, []  # set where any exposure had a fault, which the coadd left out
    if sdss:
        return (bits & BRIGHTSKY) != 0, []
    serious = header.get("SDQFLAGS")  # HST: the bits of serious faults
    bad = (
        bits & int(serious) != 0 if isinstance(serious, (int, float)) and serious > 0 else bits != 0
    )
    marks_good = re.fullmatch(GOOD_NAMES, name) or (name == "mask" and is_pypeit(header))
    if marks_good:
        return ~bad, []
    if bad.mean() <= MOST:
        return bad, []
    if set(np.unique(bits)) <= {0, 1} and "mask" in name and not bad.all():
        return ~bad, [f"{name} is 1 in most pixels: 1 was taken for good"]
    share = f"{bad.mean():.0%} of the pixels"
    return none, [f"{name} was not used as a mask: it is set in {share}"]


def is_pypeit(header):
    """True for files of PypeIt, whose masks mark good pixels."""
    text = " ".join(str(header.get(key, "")) for key in ("DMODCLS", "PYP_SPEC", "PYPELINE"))
    return bool(text.strip())
