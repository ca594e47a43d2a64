"""Distances from pseudo-luminosities, as in AstroNNDist (Leung & Bovy 2019, MNRAS 489, 2079).

fakemag = parallax [mas] 10^(K0 / 5) = 10^(M_K / 5 + 2), with K0 = K_s - A_K, does not depend on the
distance, so a network can predict it from a spectrum. It is linear in the parallax, so that a
negative parallax is as useful as any other.
"""

import numpy as np

from starlabels.base import hdf5_labels
from starlabels.base.console import format_count
from starlabels.base.errors import UserError
from starlabels.catalogues import sdss_flags

MAGNITUDES = ("k_mag", "a_k")  # mag
FAKEMAG_COLUMNS = ("parallax", *MAGNITUDES)  # of a database, in mas and mag
REACH = 0.1  # relative error of the parallax at the reach of the catalogue
MAX_SHELLS = 30  # shells of distance in which the relative error is measured
STARS_PER_SHELL = 50
PARSEC_MAS = 1000.0  # parsec times milliarcsecond


def compute_brightness(k_mag, a_k):
    """10^(K0 / 5) (n,) of magnitudes and extinctions (n,); a missing extinction counts as 0."""
    return 10 ** (0.2 * (np.asarray(k_mag, float) - np.nan_to_num(np.asarray(a_k, float))))


def compute_fakemag(parallax, k_mag, a_k):
    """Pseudo-luminosity (n,) in mas of parallaxes (mas), or its error of their errors."""
    return np.asarray(parallax, float) * compute_brightness(k_mag, a_k)


def compute_parallax(luminosity, k_mag, a_k):
    """Parallax (n,) in mas of pseudo-luminosities (mas), or its error of their errors."""
    return np.asarray(luminosity, float) / compute_brightness(k_mag, a_k)


def compute_distance(luminosity, error, k_mag, a_k, e_k_mag=0.0, e_a_k=0.0):
    """Compute distances from pseudo-luminosities.

    Errors are propagated to first order, which holds for relative errors below a fifth.

    Parameters
    ----------
    luminosity, error : pseudo-luminosity (n,) and its error, in mas.
    k_mag, a_k : K_s magnitude and extinction A_K (n,), NaN where missing.
    e_k_mag, e_a_k : their errors (n,) in mag.

    Returns
    -------
    (distance (n,), standard error (n,)) in pc; NaN where K_s is missing.
    """
    luminosity = np.asarray(luminosity, float)
    error = np.asarray(error, float)
    positive = np.where(luminosity > 0, luminosity, np.nan)
    distance = PARSEC_MAS * compute_brightness(k_mag, a_k) / positive
    share = compute_magnitude_share(e_k_mag, e_a_k)
    return distance, distance * np.hypot(error / luminosity, share)


def compute_magnitude_share(e_k_mag, e_a_k):
    """Relative error (n,) of a distance due to errors of magnitude and extinction (mag).

    Missing errors count as 0.
    """
    total = np.hypot(
        np.nan_to_num(np.asarray(e_k_mag, float)), np.nan_to_num(np.asarray(e_a_k, float))
    )
    return 0.2 * np.log(10) * total


def add_fakemag(labels, errors, path):
    """Add fakemag and its errors to a table of labels.

    Parameters
    ----------
    labels, errors : DataFrames (n, k), changed in place. fakemag is NaN where the extinction or
        the error of the parallax is missing.
    path : path of the file, for error messages.

    Raises
    ------
    UserError
        If a column of FAKEMAG_COLUMNS, or the errors of the parallaxes, are missing.
    """
    if missing := [name for name in FAKEMAG_COLUMNS if name not in labels]:
        existing = f"there is {', '.join(labels)}, but no {', '.join(missing)}"
        columns = ", ".join(FAKEMAG_COLUMNS)
        raise UserError(f"{path}: fakemag is made of {columns}; {existing}: add it")
    if errors is None or "parallax" not in errors or errors["parallax"].isna().all():
        problem = "fakemag needs the errors of the parallaxes"
        raise UserError(f"{path}: {problem}: add them to labels/error")
    known = np.where(np.isfinite(labels["a_k"]) & np.isfinite(errors["parallax"]), 1.0, np.nan)
    magnitudes = [labels[name] for name in MAGNITUDES]
    value = compute_fakemag(labels["parallax"], *magnitudes) * known
    error = compute_fakemag(errors["parallax"], *magnitudes) * known
    share = compute_magnitude_share(*(errors.get(name, np.nan) for name in MAGNITUDES))
    labels["fakemag"] = value.astype("f4")
    errors["fakemag"] = np.hypot(error, value * share).astype("f4")


def compute_fakemag_per_mas(group):
    """Change of fakemag (n,) per mas of parallax for the stars of a part of 2_prepared.h5.

    0 where K_s is missing: NaN would spread to the gradient of the parallax offset.
    """
    return np.nan_to_num(compute_brightness(*hdf5_labels.read_columns(group, MAGNITUDES)))


def compute_distances(luminosity, error, k_mag, a_k, e_k_mag=0.0, e_a_k=0.0):
    """Compute distances, parallaxes and their flags.

    Parameters
    ----------
    luminosity, error, k_mag, a_k, e_k_mag, e_a_k : as for `compute_distance`.

    Returns
    -------
    {distance, distance_err (pc), parallax, parallax_err (mas), distance_flags} of arrays (n,);
    the flags are those of SDSS Astra.
    """
    distance, distance_err = compute_distance(luminosity, error, k_mag, a_k, e_k_mag, e_a_k)
    parallax = compute_parallax(luminosity, k_mag, a_k)
    parallax_err = np.hypot(
        compute_parallax(error, k_mag, a_k), parallax * compute_magnitude_share(e_k_mag, e_a_k)
    )
    return {
        "distance": distance,
        "distance_err": distance_err,
        "parallax": parallax,
        "parallax_err": parallax_err,
        "distance_flags": sdss_flags.flag_distances(luminosity, error, k_mag, a_k),
    }


def compute_part_distances(predictions, group, offset=0.0):
    """Compute distances of the first stars of a part of 2_prepared.h5, with reference values.

    Parameters
    ----------
    predictions : {mean, err (n, 1)} pseudo-luminosities in mas.
    group : the part, open for reading.
    offset : zero point of the parallaxes in mas.

    Returns
    -------
    The result of `compute_distances` with, if the catalogue has them, distance_true (pc),
    catalogue_parallax less the offset, and catalogue_parallax_err (mas), (n,) each.
    """
    n = len(predictions["mean"])
    k_mag, a_k, parallax, truth = (
        column if column is None else column[:n]
        for column in hdf5_labels.read_columns(group, (*MAGNITUDES, "parallax", "distance"))
    )
    e_k_mag, e_a_k, e_parallax = (
        column[:n] for column in hdf5_labels.read_column_errors(group, (*MAGNITUDES, "parallax"))
    )
    mean = predictions["mean"][:, 0]
    err = predictions["err"][:, 0]
    stars = compute_distances(mean, err, k_mag, a_k, e_k_mag, e_a_k)
    if parallax is not None:
        stars["catalogue_parallax"] = parallax - offset
        stars["catalogue_parallax_err"] = e_parallax
    if truth is not None:
        stars["distance_true"] = truth
    return stars


def score_distances(stars):
    """Compare distances of `compute_part_distances` with the true ones.

    Stars that are flagged bad are left out.

    Returns
    -------
    {n, median_fraction, fraction_68 (median and 68.27th percentile of |error| / truth),
    coverage_68}. If the catalogue has a reach (pc), see `find_reach`, also {reach, n_beyond,
    network_beyond, catalogue_beyond}: median |error| / truth beyond it of the network and of the
    catalogue's parallaxes.
    """
    truth = stars["distance_true"]
    sound = np.isfinite(stars["distance"]) & np.isfinite(truth)
    sound &= ~sdss_flags.find_bad_distances(stars["distance_flags"])
    stars = {name: values[sound] for name, values in stars.items()}
    truth = truth[sound]
    if not sound.any():  # all stars are flagged bad, as after too short a training
        names = ("median_fraction", "fraction_68", "coverage_68")
        return {"n": 0.0} | dict.fromkeys(names, np.nan)
    fraction = np.abs(stars["distance"] - truth) / truth
    # pulls of the parallaxes, whose errors are normal
    pull = np.abs(PARSEC_MAS / truth - stars["parallax"]) / stars["parallax_err"]
    median, outer = np.percentile(fraction, [50, 68.27])
    scores = {
        "n": float(len(truth)),
        "median_fraction": float(median),
        "fraction_68": float(outer),
        "coverage_68": float(np.mean(pull <= 1)),
    }
    if "catalogue_parallax" not in stars:
        return scores
    reach = find_reach(truth, stars["catalogue_parallax_err"])
    if reach is None:
        return scores
    beyond = truth > reach
    catalogue = compute_catalogue_errors(stars["catalogue_parallax"], truth)
    return scores | {
        "reach": reach,
        "n_beyond": int(beyond.sum()),
        "network_beyond": float(np.median(fraction[beyond])),
        "catalogue_beyond": float(np.median(catalogue[beyond])),
    }


def compute_catalogue_errors(parallax, truth):
    """|error| / truth (n,) of inverse parallaxes (mas) as distances; inf where not positive."""
    positive = parallax > 0
    distance = PARSEC_MAS / np.where(positive, parallax, 1)
    return np.where(positive, np.abs(distance / truth - 1), np.inf)


def find_reach(truth, error):
    """Distance (pc) at which the median relative error of the parallaxes reaches REACH, or None.

    truth (n,): distances in pc; error (n,): errors of the parallaxes in mas.
    """
    n_shells = np.clip(len(truth) // STARS_PER_SHELL, 1, MAX_SHELLS)
    shells = [rows for rows in np.array_split(np.argsort(truth), n_shells) if len(rows)]
    distance = np.array([np.median(truth[rows]) for rows in shells])
    fraction = np.array([np.nanmedian(error[rows] * truth[rows]) for rows in shells]) / PARSEC_MAS
    above = np.flatnonzero(fraction >= REACH)
    if not len(above) or len(distance) < 2:
        return None
    i = max(above[0], 1)
    share = (REACH - fraction[i - 1]) / (fraction[i] - fraction[i - 1])
    return float(distance[i - 1] + share * (distance[i] - distance[i - 1]))


def print_distance_scores(metrics):
    """Print the scores of distances in each S/N range, and the offset of the parallaxes."""
    print(f"fitted zero point of the parallaxes: {metrics['parallax_offset']:+.4f} mas")
    for key, scores in metrics["distance"].items():
        median = f"median |error| {scores['median_fraction']:.1%}"
        outer = f"68 % within {scores['fraction_68']:.1%}"
        coverage = f"{scores['coverage_68']:.1%} within one error"
        n = format_count(int(scores["n"]))
        print(f"distances at S/N {key.replace('_', '-')}: {median}, {outer}, {coverage}, {n} stars")
        if "reach" in scores:
            where = f"beyond {scores['reach']:.0f} pc, where parallaxes have errors of {REACH:.0%}"
            network = f"{scores['network_beyond']:.1%} by the network"
            catalogue = f"{scores['catalogue_beyond']:.1%} by parallaxes alone"
            n = format_count(scores["n_beyond"])
            print(f"  {where}: {network}, {catalogue}, {n} stars")
