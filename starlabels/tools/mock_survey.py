"""A mock survey with known truth: stars with luminosities, distances, dust, K_s magnitudes and parallaxes as Gaia's, as CSV.

Writes <out>.csv, for grid.labels_csv, and <out>.png, a figure of it

python -m starlabels.tools.mock_survey --n 20000 --out data/mock_survey.csv --seed 1 --zero-point -0.05

Solar units, mag, mas, parsec and Gyr; [M/H] is m. Zero-age main sequence, within 0.07 dex in L and 0.14 dex in R (median 0.03)
of Tout et al. (1996, MNRAS 281, 257) for 0.7-2 solar masses, m -1..0.2:

    L0 = 0.70 M^4.5 10^(-0.25 m),  R0 = 0.89 M^0.89

On the main sequence, at a fraction t of its lifetime 10 Gyr M / (L0 / 0.70); the Sun at t = 0.457 is 1 in all units:

    log10 L/L0 = 0.27 t + 0.15 t^2,  log10 R/R0 = 0.04 t + 0.15 M t^2

Subgiants keep the luminosity of t = 1, log R grows evenly to the giant branch, after Hurley et al. (2000, MNRAS 315, 543)
with a metallicity term of ours, 8 % in Teff a dex:

    R = M^-0.26 (L^0.4 + 0.383 L^0.76) 10^(0.07 m)

On the branch stars are as frequent as evolution is slow, dN/dL ~ L^-1.83 (a core that grows as L ~ Mc^6). The clump has L = 50
within 7 %, R 10 % below the branch's: M_K = -1.5 (Ruiz-Dern et al. 2018, A&A 609, A116: -1.61).

    g = G M / R^2,  Teff = 5772 K (L / R^2)^(1/4)
    M_K = 4.74 - 2.5 log10 L - BC_K, scatter 0.05
    BC_K = -6.75 log10(Teff / 9500 K)             Buzzoni et al. (2010), MNRAS 403, 1592
    M_G = 4.74 - 2.5 log10 L - BC_G(Teff)         Andrae et al. (2018), A&A 616, A8
    p(d) ~ d^2 exp(-d / 1350 - d |sin b| / 300)   Astraatmadja & Bailer-Jones (2016), ApJ 832, 137, with the thin disc of
    between K_s of 5 and 14 before extinction     Juric et al. (2008), ApJ 673, 864
    A_V = 1 mag/kpc in the plane, dust of scale height 125 pc
    A_K = 0.078 A_V, A_G = 0.789 A_V              Wang & Chen (2019), ApJ 877, 116
    parallax error, in microarcsec, scatter 10 %: ESA's and PyGaia's formula for Gaia DR3, 0.013-0.03 mas to G 15
    (40 + 800 z + 30 z^2)^(1/2)                   as in Lindegren et al. (2021), A&A 649, A2
    z = 10^(0.4 (max(G, 13) - 15))
    vmic = 2.478 - 0.325 log g km/s, scatter 0.1  Holtzman et al. (2015), AJ 150, 148

Ours: dwarfs of 0.7-2.2 solar masses by Salpeter's law and of ages 0-12; evolved stars of ages 1.5-12 have the mass whose main
sequence ends then; two thirds of the stars have m of 0 within 0.2, a third -0.6 within 0.35; |b| is uniform in 0-20 degrees;
v sin i is exponential, of mean 40 km/s on dwarfs above 6250 K (Kraft 1967, ApJ 150, 551) and 4 km/s elsewhere; errors are
0.02 mag in K_s and 10 % in A_K; 3 % are binaries with ruwe above 1.4, whose parallaxes are off by 0.3 mas; 2 % lack K_s, 2 %
A_K. A negative parallax stays.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import gamma

from starlabels.base.console import format_count, exit_with_error

SHARES = {"dwarf": 0.4, "subgiant": 0.15, "giant": 0.3, "clump": 0.15}  # of the stars
LIMITS = {
    "teff": (4500, 8000),
    "logg": (1.5, 5.0),
    "mh": (-1.5, 0.5),
}  # where atmospheres are sound, or nearly so
MASSES, AGES, EVOLVED_AGES = (0.7, 2.2), (0.0, 12.0), (1.5, 12.0)
K_LIMITS, TIP_LUMINOSITY = (5.0, 14.0), 1000.0  # K_s; luminosity at which no branch is warm enough
SUN_LOGG, SUN_TEFF, SUN_MBOL = 4.438, 5772.0, 4.74  # IAU 2015 resolutions B2 and B3
BC_G = (
    6.000e-2,
    6.731e-5,
    -6.647e-8,
    2.859e-11,
    -7.197e-15,
)  # powers of Teff - 5772 K, for 4000-8000 K
SCATTER = {"m_k": 0.05, "k_mag": 0.02, "a_k": 0.1, "parallax_err": 0.1, "vmic": 0.1}
MISSING, BINARIES, OFF = 0.02, 0.03, 0.3
DISC, HEIGHT, DUST_HEIGHT = 1350.0, 300.0, 125.0  # pc
HIGHEST_B = 20.0  # degrees
A_V, A_K, A_G = 1e-3, 0.078, 0.789  # mag/pc in the plane; in units of A_V


def compute_lifetime(mass, mh):
    """Time (n,) on the main sequence, in Gyr."""
    return 10 * mass**-3.5 * 10 ** (0.25 * mh)


def evolve_main_sequence(mass, mh, t):
    """Luminosity and radius (n,) at a fraction t (n,) of the lifetime."""
    luminosity = 0.70 * mass**4.5 * 10 ** (-0.25 * mh + 0.27 * t + 0.15 * t**2)
    return luminosity, 0.89 * mass**0.89 * 10 ** (0.04 * t + 0.15 * mass * t**2)


def compute_branch_radius(mass, mh, luminosity):
    """Radius (n,) on the giant branch."""
    return mass**-0.26 * (luminosity**0.4 + 0.383 * luminosity**0.76) * 10 ** (0.07 * mh)


def draw_power_law(rng, low, high, slope):
    """Draws x (n,) between low and high with dN/dx ~ x^-slope."""
    a, b = low ** (1 - slope), high ** (1 - slope)
    return (a + (b - a) * rng.uniform(size=np.shape(a + b))) ** (1 / (1 - slope))


def draw_kind(rng, kind, n):
    """n stars of a kind: a table of kind, mass, age, mh, luminosity and radius; some of them outside LIMITS."""
    young = rng.uniform(size=n) < 2 / 3
    mh = np.where(young, rng.normal(0, 0.2, n), rng.normal(-0.6, 0.35, n))
    if kind == "dwarf":
        mass, age = (
            draw_power_law(rng, *(np.full(n, end) for end in MASSES), 2.35),
            rng.uniform(*AGES, n),
        )
        luminosity, radius = evolve_main_sequence(mass, mh, np.minimum(age / compute_lifetime(mass, mh), 1))
        radius[age > compute_lifetime(mass, mh)] = np.nan  # no dwarf any more
    else:
        age = rng.uniform(*EVOLVED_AGES, n)
        mass = (age / 10 * 10 ** (-0.25 * mh)) ** (-1 / 3.5)
        luminosity, radius = evolve_main_sequence(mass, mh, 1.0)
        if kind == "subgiant":
            radius *= (compute_branch_radius(mass, mh, luminosity) / radius) ** rng.uniform(size=n)
        elif kind == "giant":
            luminosity = draw_power_law(rng, luminosity, np.full(n, TIP_LUMINOSITY), 1.83)
            radius = compute_branch_radius(mass, mh, luminosity)
        else:
            luminosity = 50 * 10 ** rng.normal(0, 0.03, n)
            radius = 0.9 * compute_branch_radius(mass, mh, luminosity)
    table = pd.DataFrame(
        {
            "kind": kind,
            "mass": mass,
            "age": age,
            "mh": mh,
            "luminosity": luminosity,
            "radius": radius,
        }
    )
    table["teff"] = SUN_TEFF * (luminosity / radius**2) ** 0.25
    table["logg"] = SUN_LOGG + np.log10(mass / radius**2)
    return table


def draw_stars(rng, n):
    """n stars inside LIMITS as a table, in shares of SHARES; the columns of `draw` with m_k and m_g."""
    parts = []
    for kind, wanted in zip(SHARES, rng.multinomial(n, list(SHARES.values()))):
        table = draw_kind(rng, kind, 0)
        while len(table) < wanted:
            more = draw_kind(rng, kind, 2 * wanted)
            inside = np.all([more[name].between(*span) for name, span in LIMITS.items()], axis=0)
            table = pd.concat([table, more[inside]]) if len(table) else more[inside]
        parts.append(table.head(wanted))
    table = pd.concat(parts, ignore_index=True)
    bolometric = SUN_MBOL - 2.5 * np.log10(table["luminosity"])
    table["m_k"] = (
        bolometric + 6.75 * np.log10(table["teff"] / 9500) + rng.normal(0, SCATTER["m_k"], n)
    )
    table["m_g"] = bolometric - np.polynomial.polynomial.polyval(table["teff"] - SUN_TEFF, BC_G)
    hot = (table["teff"] > 6250) & (table["kind"] == "dwarf")
    table["vsini"] = rng.exponential(np.where(hot, 40.0, 4.0))
    table["vmic"] = 2.478 - 0.325 * table["logg"] + rng.normal(0, SCATTER["vmic"], n)
    return table


def draw_distances(rng, m_k, b=None):
    """Distances (n,) of stars of absolute magnitude m_k (n,) inside SEEN, and their extinctions A_V.

    b (n,): their galactic latitudes in degrees, not 0; None: uniform in 0 to HIGHEST_B.
    """
    b = rng.uniform(0, HIGHEST_B, len(m_k)) if b is None else np.abs(b)
    sin_b = np.sin(np.radians(b))
    law = gamma(3, scale=1 / (1 / DISC + sin_b / HEIGHT))
    low, high = (law.cdf(10 ** (0.2 * (limit - m_k) + 1)) for limit in K_LIMITS)
    far = law.ppf(rng.uniform(low, high))
    path = DUST_HEIGHT / sin_b * -np.expm1(-far * sin_b / DUST_HEIGHT)  # pc of dust as in the plane
    return far, A_V * path


def compute_parallax_error(g_mag):
    """Standard error (n,) in mas of the parallaxes of stars of that G magnitude (n,)."""
    z = 10 ** (0.4 * (np.maximum(g_mag, 13.0) - 15))
    return 1e-3 * np.sqrt(40 + 800 * z + 30 * z**2)


def draw_survey(rng, n, zero_point):
    """The table of n stars as observed: labels, k_mag, a_k, parallax with their errors, ruwe; and the truth."""
    table = draw_stars(rng, n)
    far, a_v = draw_distances(rng, table["m_k"].to_numpy())
    modulus = 5 * np.log10(far / 10)
    error = compute_parallax_error(table["m_g"] + modulus + A_G * a_v) * np.exp(
        rng.normal(0, SCATTER["parallax_err"], n)
    )
    binary = rng.uniform(size=n) < BINARIES
    off = zero_point + np.where(binary, rng.normal(0, OFF, n), 0)
    table["parallax"] = 1000 / far + off + error * rng.normal(size=n)
    table["parallax_err"] = error
    table["ruwe"] = np.where(
        binary, 1.4 + rng.exponential(1.5, n), np.minimum(rng.normal(1.02, 0.08, n), 1.4)
    )
    table["k_mag"] = table["m_k"] + modulus + A_K * a_v + rng.normal(0, SCATTER["k_mag"], n)
    table["k_mag_err"] = SCATTER["k_mag"]
    table["a_k"] = A_K * a_v * np.exp(rng.normal(0, SCATTER["a_k"], n))
    table["a_k_err"] = SCATTER["a_k"] * table["a_k"]
    for name in ("k_mag", "a_k"):
        table.loc[rng.uniform(size=n) < MISSING, [name, f"{name}_err"]] = np.nan
    table["distance"] = far
    table.insert(0, "star_id", [f"mock{i:06d}" for i in range(n)])
    return table.drop(columns=["m_g", "luminosity", "radius"])


def write_survey(args):
    """Write the CSV file and the figure, and print what is in them."""
    from starlabels.plots import mock_survey as plots

    table = draw_survey(np.random.default_rng(args.seed), args.n, args.zero_point)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    table.round(6).to_csv(args.out, index=False)
    kinds = ", ".join(f"{format_count(n)} {kind}" for kind, n in table["kind"].value_counts().items())
    print(f"{args.out}: {format_count(len(table))} stars: {kinds}")
    negative, bad = (int(rows.sum()) for rows in (table["parallax"] < 0, table["ruwe"] > 1.4))
    print(f"{format_count(negative)} have a negative parallax, {format_count(bad)} ruwe > 1.4")
    print(f"wrote {plots.draw_mock_survey(table, args.out.with_suffix('.png'))}")


def run_mock(run, doc, n, out, **more):
    """The command line of a mock: --n, --out and --seed with their defaults, and more {option: (default, help)}."""
    parser = argparse.ArgumentParser(description=doc.partition("\n")[0])
    parser.add_argument("--n", type=int, default=n, help=f"number of stars (default {n})")
    parser.add_argument("--out", type=Path, default=Path(out), help="CSV file to write")
    parser.add_argument("--seed", type=int, default=1, help="of the draws (default 1)")
    for option, (default, text) in more.items():
        name = "--" + option.replace("_", "-")
        parser.add_argument(
            name, type=type(default), default=default, help=f"{text} (default {default})"
        )
    args = parser.parse_args()
    if args.n < 1 or args.seed < 0:
        exit_with_error(
            f"--n {args.n} --seed {args.seed}: expected at least one star, and a seed of 0 or more"
        )
    try:
        run(args)
    except OSError as error:
        exit_with_error(f"{error.filename or args.out}: {error.strerror or error}")


if __name__ == "__main__":
    sys.exit(
        run_mock(
            write_survey,
            __doc__,
            20_000,
            "data/mock_survey.csv",
            zero_point=(-0.05, "mas, added to every parallax"),
        )
    )
