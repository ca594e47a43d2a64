"""A mock catalogue with known truth for recipes without spectra: magnitudes, parallaxes, extinctions and labels, as CSV.

Writes <out>.csv, for join.databases of recipes/sos.yaml and sos_ours.yaml

python -m starlabels.tools.mock_catalogue --n 600000 --out data/mock_table.csv --seed 1

Stars, their K_s, distances, dust and parallaxes are those of starlabels.tools.mock_survey, on the whole sky within 20 degrees of the plane.
Here lambda is the effective wavelength of a band in micron (features.BANDS), m is [M/H], B(lambda, T) Planck's function:

    M_X = M_K - 1.3 * 2.5 log10 [B(X, Teff) B(K, 9550 K) / (B(X, 9550 K) B(K, Teff))] + 0.1 m (0.511 / lambda)^2
    X = M_X + 5 log10(d / 10 pc) + A_X, with A_X of A_V by Gordon et al. (2023), as in starlabels.catalogues.features
    error of X = [floor^2 + (0.1 * 10^(0.4 (X - limit)))^2]^(1/2): 0.1 mag at the limit, where the sky outshines the star

1.3 brings the Sun's black-body colours near its real ones: BP - RP 0.84, G - K_s 1.26, J - K_s 0.34 (0.82, 1.4, 0.4:
Casagrande & VandenBerg 2018, MNRAS 479, L102; Willmer 2018, ApJS 236, 47); nothing else is real about them. Limits of J, H,
K_s are 2MASS's at S/N 10 (Skrutskie et al. 2006, AJ 131, 1163), of W1, W2 a mag brighter than WISE's at S/N 5 (Wright et al.
2010, AJ 140, 1868).

teff, logg, mh scatter about the truth by the errors beside them, 60 K, 0.08, 0.05 dex in the median; teff_other, logg_other,
feh_other are as a survey's from photometry alone: 150 K, 0.25 and 0.3 dex, [Fe/H] 0.1 too low, 2 % are five times as far off.
A_V is known to 15 %. Missing: magnitudes beyond the limit; of all stars BP and RP in 1 %, J, H and K_s in 3 %, W1 and W2 in
8 %, each in 0.5 % for itself; the parallax in 2 %, A_V in 5 %, the other estimates in 20 %, each label in 2 %.
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
LIMITS = {
    "G": 20.5,
    "BP": 19.0,
    "RP": 18.5,
    "J": 15.8,
    "H": 15.1,
    "Ks": 14.3,
    "W1": 15.5,
    "W2": 14.5,
}  # mag, error 0.1
FLOORS = {"G": 0.003, "BP": 0.005, "RP": 0.004} | dict.fromkeys(("J", "H", "Ks", "W1", "W2"), 0.022)
TOGETHER = {("bp_mag", "rp_mag"): 0.01, ("j_mag", "h_mag", "k_mag"): 0.03, ("w1_mag", "w2_mag"): 0.08, ("parallax",): 0.02} | {
    ("a_v",): 0.05, ("teff_other", "logg_other", "feh_other"): 0.2, ("teff",): 0.02, ("logg",): 0.02, ("mh",): 0.02
}  # fmt: skip
ALONE = 0.005  # of each magnitude
LABEL_ERRORS = {"teff": 60.0, "logg": 0.08, "mh": 0.05}
OTHERS = {
    "teff_other": ("teff", 0.0, 150.0),
    "logg_other": ("logg", 0.0, 0.25),
    "feh_other": ("mh", -0.1, 0.3),
}  # of, bias, error
FAR_OFF, TIMES = 0.02, 5.0  # of the other estimates
STRETCH, BLANKETING, VEGA = 1.3, 0.1, 9550.0  # of colours; mag/dex in BP; K
HC_K = 14_388.0  # micron K
A_V_ERROR, SPREAD = 0.15, 0.3  # of ln A_V; of ln of the errors of labels
PLANE = 0.01  # degrees: nearest to the plane


def compute_colour(band, teff, mh):
    """X - K_s (n,) of stars of effective temperature teff (n,) in K and metallicity mh (n,)."""

    def fainter(wave):  # mag by which a black body at teff is fainter than Vega
        return 2.5 * np.log10(np.expm1(HC_K / (wave * teff)) / np.expm1(HC_K / (wave * VEGA)))

    blanketing = BLANKETING * mh * (BANDS["BP"] / BANDS[band]) ** 2 if band != "Ks" else 0.0
    return STRETCH * (fainter(BANDS[band]) - fainter(BANDS["Ks"])) + blanketing


def draw_photometry(rng, star, modulus, a_v):
    """{column: (n,)} of the magnitudes of stars, a table of mock.stars, and their errors; NaN beyond the limit."""
    found, n = {}, len(star)
    for name, band in MAGNITUDES.items():
        absolute = star["m_k"].to_numpy() + compute_colour(
            band, star["teff"].to_numpy(), star["mh"].to_numpy()
        )
        true = absolute + modulus + compute_relative_extinction(band) * a_v
        error = np.hypot(FLOORS[band], 0.1 * 10 ** (0.4 * (true - LIMITS[band])))
        value, seen = (
            true + error * rng.normal(size=n),
            true < LIMITS[band],
        )  # beyond, noise would make bright ones of some
        found |= {name: np.where(seen, value, np.nan), f"{name}_err": np.where(seen, error, np.nan)}
    return found


def draw_catalogue(rng, n):
    """The table of n stars, in random order."""
    from astropy.coordinates import SkyCoord

    star = mock_survey.draw_stars(rng, n).iloc[rng.permutation(n)].reset_index(drop=True)
    b = rng.uniform(PLANE, mock_survey.HIGHEST_B, n) * rng.choice([-1, 1], n)
    place = SkyCoord(l=rng.uniform(0, 360, n), b=b, unit="deg", frame="galactic").icrs
    far, a_v = mock_survey.draw_distances(rng, star["m_k"].to_numpy(), b)
    modulus = 5 * np.log10(far / 10)
    columns = {"id": [f"mock{i:07d}" for i in range(n)], "ra": place.ra.deg, "dec": place.dec.deg}
    columns |= draw_photometry(rng, star, modulus, a_v)
    error = mock_survey.compute_parallax_error(star["m_g"].to_numpy() + modulus + mock_survey.A_G * a_v)
    error = error * np.exp(rng.normal(0, mock_survey.SCATTER["parallax_err"], n))
    columns |= {"parallax": 1000 / far + error * rng.normal(size=n), "parallax_err": error}
    columns["a_v"] = a_v * np.exp(rng.normal(0, A_V_ERROR, n))
    for name, (of, bias, size) in OTHERS.items():
        wrong = size * rng.normal(size=n) * np.where(rng.uniform(size=n) < FAR_OFF, TIMES, 1)
        columns[name] = star[of].to_numpy() + bias + wrong
    for name, size in LABEL_ERRORS.items():
        error = size * np.exp(rng.normal(0, SPREAD, n))
        columns |= {name: star[name].to_numpy() + error * rng.normal(size=n), f"{name}_err": error}
    return pd.DataFrame(hide_values(rng, columns, n))


def hide_values(rng, columns, n):
    """Columns {name: (n,)} with missing values as NaN, each with its error."""
    for names, share in [*TOGETHER.items(), *(((name,), ALONE) for name in MAGNITUDES)]:
        gone = rng.uniform(size=n) < share
        for name in (whole for one in names for whole in (one, f"{one}_err") if whole in columns):
            columns[name] = np.where(gone, np.nan, columns[name])
    return columns


def write_catalogue(args):
    """Write the CSV file, and print what is in it."""
    table = draw_catalogue(np.random.default_rng(args.seed), args.n)
    digits = {name: 2 if name.startswith("teff") else 4 for name in table.columns[3:]} | {
        "ra": 6,
        "dec": 6,
    }
    args.out.parent.mkdir(parents=True, exist_ok=True)
    table.round(digits).to_csv(args.out, index=False)
    missing = table.isna().mean()
    print(f"{args.out}: {format_count(len(table))} stars, {len(table.columns)} columns")
    print(
        "missing: "
        + ", ".join(
            f"{name} {missing[name]:.1%}" for name in table if missing[name] and "_err" not in name
        )
    )
    print(f"{format_count(int(table.notna().all(axis=1).sum()))} stars have everything")


if __name__ == "__main__":
    sys.exit(mock_survey.run_mock(write_catalogue, __doc__, 600_000, "data/mock_table.csv"))
