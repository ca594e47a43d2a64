"""Draw a mock catalogue with known truth for recipes without spectra, as CSV.

Writes <out>.csv of magnitudes, parallaxes, extinctions and labels, for join.databases of
recipes/sos.yaml and recipes/sos_ours.yaml

python -m starlabels.tools.mock_catalogue --n 600000 --out data/mock_table.csv --seed 1

The stars, their K_s, distances, dust and parallaxes are those of starlabels.tools.mock_survey, all
around the sky within 20 degrees of the plane. lambda is the effective wavelength of a band in
micron (base.photometry.BANDS), m is [M/H], B(lambda, T) is Planck's function:

    M_X = M_K - 1.3 * 2.5 log10 [B(X, Teff) B(K, 9550 K) / (B(X, 9550 K) B(K, Teff))]
          + 0.1 m (0.511 / lambda)^2
    X = M_X + 5 log10(d / 10 pc) + A_X, with A_X / A_V of Gordon et al. (2023), ApJ 950, 86
    error of X = [floor^2 + (0.1 * 10^(0.4 (X - limit)))^2]^(1/2), 0.1 mag at the limit, where the
    sky is brighter than the star

The factor 1.3 brings the Sun's black-body colours near its real ones: BP - RP 0.84, G - K_s 1.26,
J - K_s 0.34. The real ones are 0.82, 1.4 and 0.4 (Casagrande & VandenBerg 2018, MNRAS 479, L102;
Willmer 2018, ApJS 236, 47). Nothing else about the colours is realistic. The limits of J, H and K_s
are those of 2MASS at S/N 10 (Skrutskie et al. 2006, AJ 131, 1163); those of W1 and W2 are one
magnitude brighter than WISE's at S/N 5 (Wright et al. 2010, AJ 140, 1868).

teff, logg and mh scatter about the truth by their errors, 60 K, 0.08 and 0.05 dex in the median.
teff_other, logg_other and feh_other imitate a survey of photometry alone: errors of 150 K, 0.25 and
0.3 dex, [Fe/H] 0.1 too low, and 2 % with five times these errors. A_V is known to 15 %. These
values are missing: magnitudes beyond the limit; BP and RP for 1 % of the stars, J, H and K_s for
3 %, W1 and W2 for 8 %, each magnitude alone for 0.5 %; the parallax for 2 %, A_V for 5 %, the other
estimates for 20 %, each label for 2 %.
"""

import sys

import numpy as np
import pandas as pd

from starlabels.base.console import format_count
from starlabels.base.photometry import BANDS, compute_relative_extinction
from starlabels.tools import mock_survey

MAGNITUDES = {
    "g_mag": "G",
    "bp_mag": "BP",
    "rp_mag": "RP",
    "j_mag": "J",
    "h_mag": "H",
    "k_mag": "Ks",
    "w1_mag": "W1",
    "w2_mag": "W2",
}
LIMITS = {  # mag, where the error is 0.1
    "G": 20.5,
    "BP": 19.0,
    "RP": 18.5,
    "J": 15.8,
    "H": 15.1,
    "Ks": 14.3,
    "W1": 15.5,
    "W2": 14.5,
}
FLOORS = {"G": 0.003, "BP": 0.005, "RP": 0.004} | dict.fromkeys(("J", "H", "Ks", "W1", "W2"), 0.022)
MISSING = {  # columns that are missing together: fraction of the stars
    ("bp_mag", "rp_mag"): 0.01,
    ("j_mag", "h_mag", "k_mag"): 0.03,
    ("w1_mag", "w2_mag"): 0.08,
    ("parallax",): 0.02,
    ("a_v",): 0.05,
    ("teff_other", "logg_other", "feh_other"): 0.2,
    ("teff",): 0.02,
    ("logg",): 0.02,
    ("mh",): 0.02,
}
MISSING_ALONE = 0.005  # of each magnitude
LABEL_ERRORS = {"teff": 60.0, "logg": 0.08, "mh": 0.05}
OTHERS = {  # column: (label, bias, error)
    "teff_other": ("teff", 0.0, 150.0),
    "logg_other": ("logg", 0.0, 0.25),
    "feh_other": ("mh", -0.1, 0.3),
}
OUTLIERS = 0.02  # fraction of the other estimates
OUTLIER_FACTOR = 5.0  # on their errors
STRETCH = 1.3  # of colours
BLANKETING = 0.1  # mag/dex in BP
VEGA = 9550.0  # K
HC_K = 14_388.0  # micron K
A_V_ERROR = 0.15  # of ln A_V
ERROR_SCATTER = 0.3  # of ln of the errors of labels
MIN_LATITUDE = 0.01  # degrees


def compute_colour(band, teff, mh):
    """X - K_s (n,) of stars with teff (n,) in K and metallicity mh (n,)."""

    def compare_with_vega(wave):
        """Magnitudes (n,) by which a black body at teff is fainter than Vega."""
        return 2.5 * np.log10(np.expm1(HC_K / (wave * teff)) / np.expm1(HC_K / (wave * VEGA)))

    blanketing = BLANKETING * mh * (BANDS["BP"] / BANDS[band]) ** 2 if band != "Ks" else 0.0
    difference = compare_with_vega(BANDS[band]) - compare_with_vega(BANDS["Ks"])
    return STRETCH * difference + blanketing


def draw_photometry(rng, stars, modulus, a_v):
    """Draw magnitudes of stars, a DataFrame of mock_survey.draw_stars.

    modulus, a_v: distance modulus and extinction (n,) in mag. Returns {column: (n,)} of magnitudes
    and their errors, NaN beyond the limit.
    """
    columns = {}
    teff = stars["teff"].to_numpy()
    mh = stars["mh"].to_numpy()
    for name, band in MAGNITUDES.items():
        absolute = stars["m_k"].to_numpy() + compute_colour(band, teff, mh)
        true = absolute + modulus + compute_relative_extinction(band) * a_v
        error = np.hypot(FLOORS[band], 0.1 * 10 ** (0.4 * (true - LIMITS[band])))
        value = true + error * rng.normal(size=len(stars))
        # by the true magnitude: beyond the limit, noise would make some stars bright
        seen = true < LIMITS[band]
        columns[name] = np.where(seen, value, np.nan)
        columns[f"{name}_err"] = np.where(seen, error, np.nan)
    return columns


def draw_catalogue(rng, n):
    """Draw the DataFrame of n stars, in random order."""
    from astropy.coordinates import SkyCoord

    stars = mock_survey.draw_stars(rng, n).iloc[rng.permutation(n)].reset_index(drop=True)
    latitude = rng.uniform(MIN_LATITUDE, mock_survey.MAX_LATITUDE, n) * rng.choice([-1, 1], n)
    longitude = rng.uniform(0, 360, n)
    sky = SkyCoord(l=longitude, b=latitude, unit="deg", frame="galactic").icrs
    distance, a_v = mock_survey.draw_distances(rng, stars["m_k"].to_numpy(), latitude)
    modulus = 5 * np.log10(distance / 10)
    columns = {"id": [f"mock{i:07d}" for i in range(n)], "ra": sky.ra.deg, "dec": sky.dec.deg}
    columns |= draw_photometry(rng, stars, modulus, a_v)
    g_mag = stars["m_g"].to_numpy() + modulus + mock_survey.A_G * a_v
    error = mock_survey.compute_parallax_error(g_mag)
    error = error * np.exp(rng.normal(0, mock_survey.SCATTER["parallax_err"], n))
    columns["parallax"] = 1000 / distance + error * rng.normal(size=n)
    columns["parallax_err"] = error
    columns["a_v"] = a_v * np.exp(rng.normal(0, A_V_ERROR, n))
    for name, (label, bias, size) in OTHERS.items():
        deviation = size * rng.normal(size=n)
        deviation *= np.where(rng.uniform(size=n) < OUTLIERS, OUTLIER_FACTOR, 1)
        columns[name] = stars[label].to_numpy() + bias + deviation
    for name, size in LABEL_ERRORS.items():
        error = size * np.exp(rng.normal(0, ERROR_SCATTER, n))
        columns[name] = stars[name].to_numpy() + error * rng.normal(size=n)
        columns[f"{name}_err"] = error
    return pd.DataFrame(hide_values(rng, columns, n))


def hide_values(rng, columns, n):
    """Columns {name: (n,)} with missing values as NaN, each together with its error."""
    alone = {(name,): MISSING_ALONE for name in MAGNITUDES}
    for names, share in [*MISSING.items(), *alone.items()]:
        missing = rng.uniform(size=n) < share
        for name in names:
            for column in (name, f"{name}_err"):
                if column in columns:
                    columns[column] = np.where(missing, np.nan, columns[column])
    return columns


def write_catalogue(args):
    """Write the CSV file, and print a summary."""
    table = draw_catalogue(np.random.default_rng(args.seed), args.n)
    digits = {name: 2 if name.startswith("teff") else 4 for name in table.columns[3:]}
    digits |= {"ra": 6, "dec": 6}
    args.out.parent.mkdir(parents=True, exist_ok=True)
    table.round(digits).to_csv(args.out, index=False)
    shares = table.isna().mean()
    names = [name for name in table if shares[name] and "_err" not in name]
    print(f"{args.out}: {format_count(len(table))} stars, {len(table.columns)} columns")
    print("missing: " + ", ".join(f"{name} {shares[name]:.1%}" for name in names))
    print(f"{format_count(int(table.notna().all(axis=1).sum()))} stars have all values")


if __name__ == "__main__":
    sys.exit(mock_survey.run_mock(write_catalogue, __doc__, 600_000, "data/mock_table.csv"))
