"""Which model atmospheres serve a star: published ones where they reach, our own above.

Spectra of the same labels from MARCS and from ATLAS9 agree best at 7000-7500 K, to a mean |dF| of
0.0002 (0.0008 at [M/H] = 0.5). There one takes over from the other. At 5000-5500 K and log g 2 they
differ by 0.006 to 0.013, where MARCS agrees with our own models to 0.002.
"""

from starlabels.synthesis.atmosphere import interpolate_atmosphere
from starlabels.synthesis.model_grids import GRIDS, read_model_grid

SOURCES = ("builtin", *GRIDS)
# {grid.nodes.atmosphere: (name in messages, {label: (lowest, highest)})}; the corners are empty
LABEL_RANGES = {
    "builtin": ("built-in", {"teff": (4500, 11_000), "logg": (1.5, 5.5), "mh": (-2, 1.5)}),
    "atlas9": ("ATLAS9", {"teff": (3500, 50_000), "logg": (0, 5.5), "mh": (-2.5, 1)}),
    "marcs": ("MARCS", {"teff": (2800, 8000), "logg": (-0.5, 5.5), "mh": (-2.5, 1)}),
    "published": ("published", {"teff": (2800, 50_000), "logg": (-0.5, 5.5), "mh": (-2.5, 1.5)}),
}
MARCS_TEFF = 7250.0  # K: MARCS up to here, ATLAS9 above
# [M/H] (dex) of the highest ATLAS9 model. Above, spectra from extrapolated ATLAS9 structures and
# from our own models are blended: at 1.0 they differ by 0.005 at 8000 K, by 0.0005 at 10 000 K
ATLAS9_MH = 0.5
ATLAS9_LOGG = 5.0


def make_structure(kind, teff, logg, mh):
    """Structure (5, n_layer) of a source, see `atmosphere.interpolate_atmosphere`.

    kind: "builtin", "atlas9" or "marcs". Raises ValueError where the source has no model.
    """
    if kind in GRIDS:
        return read_model_grid(kind).interpolate(teff, logg, mh)
    return interpolate_atmosphere(teff, logg, mh)


def has_model(kind, teff, logg, mh):
    """Whether a source has a model atmosphere of these labels."""
    try:
        make_structure(kind, teff, logg, mh)
    except ValueError:
        return False
    return True


def choose_sources(kind, teff, logg, mh):
    """Choose the model atmospheres of a star.

    Parameters
    ----------
    kind : str
        "published", or the name of one source, which then is taken everywhere.
    teff : float
        Effective temperature (K).
    logg, mh : float
        Surface gravity and metallicity (dex).

    Returns
    -------
    list of (str, float)
        Sources and their shares of the spectrum.

    Raises
    ------
    ValueError
        If no source has a model.
    """
    if kind not in LABEL_RANGES:  # a grid that PySME reads
        return [(kind, 1.0)]
    if kind != "published":
        make_structure(kind, teff, logg, mh)  # raises ValueError
        return [(kind, 1.0)]
    order = ["marcs", "atlas9", "builtin"] if teff <= MARCS_TEFF else ["atlas9", "marcs", "builtin"]
    if logg > ATLAS9_LOGG:  # extrapolated structures are the last choice
        order = ["marcs", "builtin", "atlas9"]
    available = [name for name in order if has_model(name, teff, logg, mh)]
    if not available:
        raise ValueError(f"no model atmosphere at {teff:g} K, logg {logg:g}, [M/H] {mh:g}")
    own = mh - ATLAS9_MH
    if available[0] == "atlas9" and "builtin" in available and own > 0:
        return [("atlas9", 1 - own), ("builtin", own)]
    return [(available[0], 1.0)]
