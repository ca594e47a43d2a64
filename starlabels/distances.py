"""Distances from pseudo-luminosities, as AstroNNDist has them. Leung & Bovy (2019), MNRAS 489, 2079.

fakemag = parallax [mas] 10^(K0 / 5) = 10^(M_K / 5 + 2) depends on the star alone, not on its distance, so a spectrum can tell
it; K0 = K_s - A_K is the magnitude without extinction. It is linear in the parallax: a negative one is as good as any.
"""

import numpy as np

from starlabels import astra, h5io
from starlabels.cli import UserError

COLUMNS = ("parallax", "k_mag", "a_k")  # of a database that fakemag is made of: mas, mag, mag
PARSEC_MAS = 1000.0  # parsec times milliarcsecond


def brightness(k_mag, a_k):
    """10^(K0 / 5) (n,) of magnitudes and extinctions (n,); an extinction that is not known counts as none."""
    return 10 ** (0.2 * (np.asarray(k_mag, float) - np.nan_to_num(np.asarray(a_k, float))))


def fakemag(parallax, k_mag, a_k):
    """Pseudo-luminosity (n,) in mas of parallaxes (mas), or its error of their errors."""
    return np.asarray(parallax, float) * brightness(k_mag, a_k)


def parallax(luminosity, k_mag, a_k):
    """Parallax (n,) in mas of pseudo-luminosities (mas), or its error of their errors."""
    return np.asarray(luminosity, float) / brightness(k_mag, a_k)


def distance(luminosity, error, k_mag, a_k, e_k_mag=0.0, e_a_k=0.0):
    """Distance (n,) in parsec and its standard error, of pseudo-luminosities (mas) with errors; NaN where there is no K_s.

    Errors of magnitude and extinction (mag) add to it. To first order, so for errors below a fifth.
    """
    luminosity, error = np.asarray(luminosity, float), np.asarray(error, float)
    found = PARSEC_MAS * brightness(k_mag, a_k) / np.where(luminosity > 0, luminosity, np.nan)
    magnitude = 0.2 * np.log(10) * np.hypot(e_k_mag, e_a_k)
    return found, found * np.hypot(error / luminosity, magnitude)


def add_fakemag(labels, errors, path):
    """Add fakemag to the tables (n, k) of labels and of their errors, from COLUMNS; NaN where the extinction is not known.

    UserError naming the file if a column, or the error of the parallax, is not there.
    """
    if missing := [name for name in COLUMNS if name not in labels]:
        there = ", ".join(labels)
        raise UserError(
            f"{path}: fakemag is made of {', '.join(COLUMNS)}; there is {there}, but no {', '.join(missing)}: add it"
        )
    if errors is None or errors["parallax"].isna().all():
        raise UserError(f"{path}: fakemag needs the errors of the parallaxes: add them to labels/error")
    known = np.where(np.isfinite(labels["a_k"]), 1.0, np.nan)
    for table in (labels, errors):
        table["fakemag"] = (fakemag(table["parallax"], labels["k_mag"], labels["a_k"]) * known).astype("f4")


def per_mas(group):
    """What a mas of parallax adds to fakemag (n,) of the stars of a part."""
    return brightness(*h5io.columns(group, ("k_mag", "a_k")))


def of_stars(found, k_mag, a_k):
    """{distance, distance_err (pc), parallax, parallax_err (mas), distance_flags: Astra's} (n,) of stars of K_s, A_K (n,).

    found {mean, err (n, 1)} are their pseudo-luminosities.
    """
    value, error = found["mean"][:, 0], found["err"][:, 0]
    far, far_err = distance(value, error, k_mag, a_k)
    near, near_err = (parallax(x, k_mag, a_k) for x in (value, error))
    flags = astra.distance_flags(value, error, k_mag, a_k)
    return {"distance": far, "distance_err": far_err, "parallax": near, "parallax_err": near_err, "distance_flags": flags}


def scores(found, truth):
    """How distances (n,) of `of_stars` agree with true ones: median and 68th percentile of |error| / truth, coverage."""
    sound = np.isfinite(found["distance"]) & np.isfinite(truth) & ~astra.distance_bad(found["distance_flags"])
    fraction = np.abs(found["distance"] - truth)[sound] / truth[sound]
    pull = np.abs(PARSEC_MAS / truth - found["parallax"])[sound] / found["parallax_err"][sound]  # errors are normal there
    middle, outer = np.percentile(fraction, [50, 68.27])
    names = ("n", "median_fraction", "fraction_68", "coverage_68")
    return dict(zip(names, map(float, (sound.sum(), middle, outer, np.mean(pull <= 1)))))
