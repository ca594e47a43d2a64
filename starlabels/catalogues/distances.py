"""Distances from pseudo-luminosities, as AstroNNDist has them. Leung & Bovy (2019), MNRAS 489, 2079.

fakemag = parallax [mas] 10^(K0 / 5) = 10^(M_K / 5 + 2) depends on the star alone, not on its distance, so a spectrum can tell
it; K0 = K_s - A_K is the magnitude without extinction. It is linear in the parallax: a negative one is as good as any.
"""

import numpy as np

from starlabels.base import hdf5
from starlabels.base.console import format_count
from starlabels.base.errors import UserError
from starlabels.catalogues import sdss_flags

FAKEMAG_COLUMNS = ("parallax", "k_mag", "a_k")  # of a database that fakemag is made of: mas, mag, mag
MAGNITUDES = FAKEMAG_COLUMNS[1:]
REACH, SHELLS, STARS_A_SHELL = (
    0.1,
    30,
    50,
)  # error of a parallax over it; shells of distance in which it is measured
PARSEC_MAS = 1000.0  # parsec times milliarcsecond


def compute_brightness(k_mag, a_k):
    """10^(K0 / 5) (n,) of magnitudes and extinctions (n,); an extinction that is not known counts as none."""
    return 10 ** (0.2 * (np.asarray(k_mag, float) - np.nan_to_num(np.asarray(a_k, float))))


def compute_fakemag(parallax, k_mag, a_k):
    """Pseudo-luminosity (n,) in mas of parallaxes (mas), or its error of their errors."""
    return np.asarray(parallax, float) * compute_brightness(k_mag, a_k)


def compute_parallax(luminosity, k_mag, a_k):
    """Parallax (n,) in mas of pseudo-luminosities (mas), or its error of their errors."""
    return np.asarray(luminosity, float) / compute_brightness(k_mag, a_k)


def compute_distance(luminosity, error, k_mag, a_k, e_k_mag=0.0, e_a_k=0.0):
    """Distance (n,) in parsec and its standard error, of pseudo-luminosities (mas) with errors; NaN where there is no K_s.

    Errors of magnitude and extinction (mag) add to it. To first order, so for errors below a fifth.
    """
    luminosity, error = np.asarray(luminosity, float), np.asarray(error, float)
    found = PARSEC_MAS * compute_brightness(k_mag, a_k) / np.where(luminosity > 0, luminosity, np.nan)
    return found, found * np.hypot(error / luminosity, compute_magnitude_share(e_k_mag, e_a_k))


def add_fakemag(labels, errors, path):
    """Add fakemag to the tables (n, k) of labels and of their errors, from COLUMNS and their errors.

    NaN where the extinction or the parallax's error is not known. UserError naming the file if a column, or the error of the
    parallax, is not there.
    """
    if missing := [name for name in FAKEMAG_COLUMNS if name not in labels]:
        there = ", ".join(labels)
        raise UserError(
            f"{path}: fakemag is made of {', '.join(FAKEMAG_COLUMNS)}; there is {there}, but no {', '.join(missing)}: add it"
        )
    if errors is None or "parallax" not in errors or errors["parallax"].isna().all():
        raise UserError(
            f"{path}: fakemag needs the errors of the parallaxes: add them to labels/error"
        )
    known = np.where(np.isfinite(labels["a_k"]) & np.isfinite(errors["parallax"]), 1.0, np.nan)
    value, error = (
        compute_fakemag(table["parallax"], labels["k_mag"], labels["a_k"]) * known
        for table in (labels, errors)
    )
    labels["fakemag"] = value.astype("f4")
    errors["fakemag"] = np.hypot(
        error, value * compute_magnitude_share(*(errors.get(name, np.nan) for name in MAGNITUDES))
    ).astype("f4")


def compute_magnitude_share(e_k_mag, e_a_k):
    """The part (n,) that errors of magnitude and extinction (mag) add to a distance or parallax; those not known are 0."""
    return (
        0.2
        * np.log(10)
        * np.hypot(
            np.nan_to_num(np.asarray(e_k_mag, float)), np.nan_to_num(np.asarray(e_a_k, float))
        )
    )


def compute_fakemag_per_mas(group):
    """What a mas of parallax adds to fakemag (n,) of the stars of a part; 0 where there is no K_s, and so no fakemag."""
    return np.nan_to_num(
        compute_brightness(*hdf5.columns(group, MAGNITUDES))
    )  # NaN would spread to the offset's gradient


def compute_distances(found, k_mag, a_k, e_k_mag=0.0, e_a_k=0.0):
    """{distance, distance_err (pc), parallax, parallax_err (mas), distance_flags: Astra's} (n,) of stars of K_s, A_K (n,).

    found {mean, err (n, 1)} are their pseudo-luminosities; e_k_mag, e_a_k: errors, NaN where not known.
    """
    value, error = found["mean"][:, 0], found["err"][:, 0]
    far, far_err = compute_distance(value, error, k_mag, a_k, e_k_mag, e_a_k)
    near, near_err = (compute_parallax(x, k_mag, a_k) for x in (value, error))
    near_err = np.hypot(near_err, near * compute_magnitude_share(e_k_mag, e_a_k))
    flags = sdss_flags.flag_distances(value, error, k_mag, a_k)
    return {
        "distance": far,
        "distance_err": far_err,
        "parallax": near,
        "parallax_err": near_err,
        "distance_flags": flags,
    }


def compute_part_distances(found, group, offset=0.0):
    """`of_stars` of the first stars of a part of 2_prepared.h5, with what they compare with, (n,) each.

    Where the catalogue has them also distance_true, and catalogue_parallax, less the offset (mas), with catalogue_parallax_err.
    """
    n = len(found["mean"])
    k_mag, a_k, parallaxes, truth = (
        column if column is None else column[:n]
        for column in hdf5.columns(group, (*MAGNITUDES, "parallax", "distance"))
    )
    e_k_mag, e_a_k, e_parallax = (
        column[:n] for column in hdf5.column_errors(group, (*MAGNITUDES, "parallax"))
    )
    stars = compute_distances(found, k_mag, a_k, e_k_mag, e_a_k)
    if parallaxes is not None:
        stars |= {"catalogue_parallax": parallaxes - offset, "catalogue_parallax_err": e_parallax}
    return stars | ({} if truth is None else {"distance_true": truth})


def score_distances(found):
    """How distances of `of_stars` agree with the true ones: median and 68th percentile of |error| / truth, coverage.

    Beyond the `reach` (pc) of the catalogue, where the median error of its parallaxes grows to REACH of them, also the median
    of the network's and of the catalogue's own errors; a parallax that is not positive gives no distance, an infinite error.
    """
    truth = found["distance_true"]
    sound = (
        np.isfinite(found["distance"])
        & np.isfinite(truth)
        & ~sdss_flags.reject_distances(found["distance_flags"])
    )
    found, truth = {name: values[sound] for name, values in found.items()}, truth[sound]
    names = ("n", "median_fraction", "fraction_68", "coverage_68")
    if not sound.any():  # every star is flagged bad, as after too short a training
        return dict.fromkeys(names, np.nan) | {"n": 0.0}
    fraction = np.abs(found["distance"] - truth) / truth
    pull = (
        np.abs(PARSEC_MAS / truth - found["parallax"]) / found["parallax_err"]
    )  # errors are normal there
    middle, outer = np.percentile(fraction, [50, 68.27])
    values = dict(zip(names, map(float, (len(truth), middle, outer, np.mean(pull <= 1)))))
    reach = (
        find_reach(truth, found["catalogue_parallax_err"]) if "catalogue_parallax" in found else None
    )
    if reach is None:
        return values
    beyond = truth > reach
    own = compute_catalogue_errors(found["catalogue_parallax"], truth)
    values |= {"reach": reach, "n_beyond": int(beyond.sum())}
    return values | {
        "network_beyond": float(np.median(fraction[beyond])),
        "catalogue_beyond": float(np.median(own[beyond])),
    }


def compute_catalogue_errors(parallaxes, truth):
    """|error| / truth (n,) of distances that are one over a parallax (mas), infinite where that is not positive."""
    return np.where(
        parallaxes > 0,
        np.abs(PARSEC_MAS / np.where(parallaxes > 0, parallaxes, 1) / truth - 1),
        np.inf,
    )


def find_reach(truth, error):
    """The distance (pc) at which the median error (mas) of parallaxes grows to REACH of them; or None."""
    order = np.argsort(truth)
    shells = [
        rows
        for rows in np.array_split(order, np.clip(len(order) // STARS_A_SHELL, 1, SHELLS))
        if len(rows)
    ]
    far = np.array([np.median(truth[rows]) for rows in shells])
    fraction = np.array([np.nanmedian(error[rows] * truth[rows]) for rows in shells]) / PARSEC_MAS
    above = np.flatnonzero(fraction >= REACH)
    if not len(above) or len(far) < 2:
        return None
    i = max(above[0], 1)
    share = (REACH - fraction[i - 1]) / (fraction[i] - fraction[i - 1])
    return float(far[i - 1] + share * (far[i] - far[i - 1]))


def print_distance_scores(metrics):
    """Print the scores of distances in each S/N range, and the offset of the parallaxes."""
    print(f"zero point of the parallaxes, learnt: {metrics['parallax_offset']:+.4f} mas")
    for key, one in metrics["distance"].items():
        text = f"median |error| {one['median_fraction']:.1%}, 68 % within {one['fraction_68']:.1%}"
        text += f", {one['coverage_68']:.1%} within one error, of {format_count(int(one['n']))} stars"
        print(f"distances at S/N {key.replace('_', '-')}: {text}")
        if "reach" in one:
            text = f"{one['network_beyond']:.1%} by the network, {one['catalogue_beyond']:.1%} by parallaxes alone"
            start = f"  beyond {one['reach']:.0f} pc, where parallaxes have errors of {REACH:.0%}"
            print(f"{start}: {text}, of {format_count(one['n_beyond'])} stars")
