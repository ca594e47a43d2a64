"""Draw a mock survey with known truth: stars with distances, dust, K_s and Gaia-like parallaxes.

Writes <out>.csv, for grid.labels_csv, and <out>.png, a figure of it

python -m starlabels.tools.mock_survey --n 20000 --out data/mock_survey.csv --seed 1
--zero-point -0.05

Units are solar units, mag, mas, pc and Gyr; m is [M/H]. The zero-age main sequence is within
0.07 dex in L and 0.14 dex in R (median 0.03) of Tout et al. (1996, MNRAS 281, 257) for 0.7-2 solar
masses and m from -1 to 0.2:

    L0 = 0.70 M^4.5 10^(-0.25 m),  R0 = 0.89 M^0.89

On the main sequence, at a fraction t of its lifetime 10 Gyr M / (L0 / 0.70), the following holds;
the Sun at t = 0.457 is 1 in all units:

    log10 L/L0 = 0.27 t + 0.15 t^2,  log10 R/R0 = 0.04 t + 0.15 M t^2

Subgiants keep the luminosity of t = 1, and log R is uniform between the main sequence and the
giant branch. The branch follows Hurley et al. (2000, MNRAS 315, 543), with our metallicity term
of 8 % in Teff per dex:

    R = M^-0.26 (L^0.4 + 0.383 L^0.76) 10^(0.07 m)

The density of stars on the branch is inverse to the speed of evolution, dN/dL ~ L^-1.83, for a
core that grows as L ~ Mc^6. The clump has L = 50 within 7 %, and R 10 % below the branch:
M_K = -1.5 (Ruiz-Dern et al. 2018, A&A 609, A116: -1.61).

    g = G M / R^2,  Teff = 5772 K (L / R^2)^(1/4)
    M_K = 4.74 - 2.5 log10 L - BC_K, scatter 0.05
    BC_K = -6.75 log10(Teff / 9500 K)             Buzzoni et al. (2010), MNRAS 403, 1592
    M_G = 4.74 - 2.5 log10 L - BC_G(Teff)         Andrae et al. (2018), A&A 616, A8
    p(d) ~ d^2 exp(-d / 1350 - d |sin b| / 300)   Astraatmadja & Bailer-Jones (2016), ApJ 832, 137,
    for K_s from 5 to 14 before extinction        thin disc of Juric et al. (2008), ApJ 673, 864
    A_V = 1 mag/kpc in the plane, dust of scale height 125 pc
    A_K = 0.078 A_V, A_G = 0.789 A_V              Wang & Chen (2019), ApJ 877, 116
    parallax error, in microarcsec, scatter 10 %: formula of ESA and PyGaia for Gaia DR3,
    (40 + 800 z + 30 z^2)^(1/2)                   0.013-0.03 mas to G = 15, as in
    z = 10^(0.4 (max(G, 13) - 15))                Lindegren et al. (2021), A&A 649, A2
    vmic = 2.478 - 0.325 log g km/s, scatter 0.1  Holtzman et al. (2015), AJ 150, 148

Our own choices: dwarfs of 0.7-2.2 solar masses with Salpeter's mass function have ages of 0-12.
Evolved stars of ages 1.5-12 have the mass whose main-sequence lifetime equals their age. Two
thirds of the stars have a mean m of 0 and a standard deviation of 0.2, one third -0.6 and 0.35;
|b| is uniform in 0-20 degrees. v sin i is exponential with
a mean of 40 km/s for dwarfs above 6250 K (Kraft 1967, ApJ 150, 551) and 4 km/s for all others.
Errors are 0.02 mag in K_s and 10 % in A_K. 3 % are binaries with ruwe above 1.4, whose parallaxes
are off by 0.3 mas; 2 % lack K_s, 2 % A_K. Negative parallaxes are kept.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import gamma

from starlabels.base.console import exit_with_error, format_count

SHARES = {"dwarf": 0.4, "subgiant": 0.15, "giant": 0.3, "clump": 0.15}  # of the stars
# where model atmospheres are reliable, or nearly so
LIMITS = {"teff": (4500, 8000), "logg": (1.5, 5.0), "mh": (-1.5, 0.5)}
MASSES = (0.7, 2.2)
AGES = (0.0, 12.0)
EVOLVED_AGES = (1.5, 12.0)
K_LIMITS = (5.0, 14.0)
TIP_LUMINOSITY = 1000.0  # above it, no branch is within LIMITS
SUN_LOGG, SUN_TEFF, SUN_MBOL = 4.438, 5772.0, 4.74  # IAU 2015 resolutions B2 and B3
# coefficients of the powers of Teff - 5772 K, for 4000-8000 K
BC_G = (6.000e-2, 6.731e-5, -6.647e-8, 2.859e-11, -7.197e-15)
SCATTER = {"m_k": 0.05, "k_mag": 0.02, "a_k": 0.1, "parallax_err": 0.1, "vmic": 0.1}
MISSING_SHARE = 0.02  # fraction of the stars
BINARIES = 0.03  # fraction of the stars
BINARY_OFFSET = 0.3  # mas
DISC, HEIGHT, DUST_HEIGHT = 1350.0, 300.0, 125.0  # pc
MAX_LATITUDE = 20.0  # degrees
A_V = 1e-3  # mag/pc in the plane
A_K, A_G = 0.078, 0.789  # in units of A_V


def compute_lifetime(mass, mh):
    """Time (n,) on the main sequence, in Gyr."""
    return 10 * mass**-3.5 * 10 ** (0.25 * mh)


def evolve_main_sequence(mass, mh, t):
    """(Luminosity (n,), radius (n,)) at a fraction t (n,) of the lifetime."""
    luminosity = 0.70 * mass**4.5 * 10 ** (-0.25 * mh + 0.27 * t + 0.15 * t**2)
    return luminosity, 0.89 * mass**0.89 * 10 ** (0.04 * t + 0.15 * mass * t**2)


def compute_branch_radius(mass, mh, luminosity):
    """Radius (n,) on the giant branch."""
    return mass**-0.26 * (luminosity**0.4 + 0.383 * luminosity**0.76) * 10 ** (0.07 * mh)


def draw_power_law(rng, low, high, slope):
    """Draw x (n,) between low and high (n,) with dN/dx ~ x^-slope."""
    a = low ** (1 - slope)
    b = high ** (1 - slope)
    return (a + (b - a) * rng.uniform(size=np.shape(a + b))) ** (1 / (1 - slope))


def draw_kind(rng, kind, n):
    """Draw n stars of a kind, some of them outside LIMITS.

    Returns a DataFrame of kind, mass, age, mh, luminosity, radius, teff and logg.
    """
    is_metal_rich = rng.uniform(size=n) < 2 / 3
    mh = np.where(is_metal_rich, rng.normal(0, 0.2, n), rng.normal(-0.6, 0.35, n))
    if kind == "dwarf":
        mass = draw_power_law(rng, *(np.full(n, end) for end in MASSES), 2.35)
        age = rng.uniform(*AGES, n)
        lifetime = compute_lifetime(mass, mh)
        luminosity, radius = evolve_main_sequence(mass, mh, np.minimum(age / lifetime, 1))
        radius[age > lifetime] = np.nan  # these are no longer dwarfs
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
    columns = {"mass": mass, "age": age, "mh": mh, "luminosity": luminosity, "radius": radius}
    table = pd.DataFrame({"kind": kind} | columns)
    table["teff"] = SUN_TEFF * (luminosity / radius**2) ** 0.25
    table["logg"] = SUN_LOGG + np.log10(mass / radius**2)
    return table


def draw_stars(rng, n):
    """Draw n stars inside LIMITS, of all kinds in their SHARES.

    Returns a DataFrame with the columns of `draw_kind`, m_k and m_g (mag), vsini and vmic (km/s).
    """
    parts = []
    for kind, n_kind in zip(SHARES, rng.multinomial(n, list(SHARES.values()))):
        table = draw_kind(rng, kind, 0)
        while len(table) < n_kind:
            batch = draw_kind(rng, kind, 2 * n_kind)
            inside = np.all([batch[name].between(*span) for name, span in LIMITS.items()], axis=0)
            table = pd.concat([table, batch[inside]]) if len(table) else batch[inside]
        parts.append(table.head(n_kind))
    table = pd.concat(parts, ignore_index=True)
    bolometric = SUN_MBOL - 2.5 * np.log10(table["luminosity"])
    correction = 6.75 * np.log10(table["teff"] / 9500)
    table["m_k"] = bolometric + correction + rng.normal(0, SCATTER["m_k"], n)
    table["m_g"] = bolometric - np.polynomial.polynomial.polyval(table["teff"] - SUN_TEFF, BC_G)
    is_hot = (table["teff"] > 6250) & (table["kind"] == "dwarf")
    table["vsini"] = rng.exponential(np.where(is_hot, 40.0, 4.0))
    table["vmic"] = 2.478 - 0.325 * table["logg"] + rng.normal(0, SCATTER["vmic"], n)
    return table


def draw_distances(rng, m_k, latitude=None):
    """Draw distances of stars whose K_s is inside K_LIMITS.

    Parameters
    ----------
    rng : numpy Generator.
    m_k : absolute magnitudes (n,).
    latitude : galactic latitudes (n,) in degrees, not 0; None draws them from 0 to MAX_LATITUDE.

    Returns
    -------
    (distance (n,) in pc, extinction A_V (n,) in mag)
    """
    if latitude is None:
        latitude = rng.uniform(0, MAX_LATITUDE, len(m_k))
    sin_b = np.sin(np.radians(np.abs(latitude)))
    law = gamma(3, scale=1 / (1 / DISC + sin_b / HEIGHT))
    low, high = (law.cdf(10 ** (0.2 * (limit - m_k) + 1)) for limit in K_LIMITS)
    distance = law.ppf(rng.uniform(low, high))
    # path in pc through dust with the density of the plane
    path = DUST_HEIGHT / sin_b * -np.expm1(-distance * sin_b / DUST_HEIGHT)
    return distance, A_V * path


def compute_parallax_error(g_mag):
    """Standard error (n,) in mas of the parallaxes of stars with G magnitude g_mag (n,)."""
    z = 10 ** (0.4 * (np.maximum(g_mag, 13.0) - 15))
    return 1e-3 * np.sqrt(40 + 800 * z + 30 * z**2)


def draw_survey(rng, n, zero_point):
    """Draw n observed stars.

    zero_point: offset of all parallaxes in mas. Returns a DataFrame of labels, k_mag, a_k and
    parallax with errors, ruwe, and the true values.
    """
    table = draw_stars(rng, n)
    distance, a_v = draw_distances(rng, table["m_k"].to_numpy())
    modulus = 5 * np.log10(distance / 10)
    error = compute_parallax_error(table["m_g"] + modulus + A_G * a_v)
    error = error * np.exp(rng.normal(0, SCATTER["parallax_err"], n))
    is_binary = rng.uniform(size=n) < BINARIES
    offset = zero_point + np.where(is_binary, rng.normal(0, BINARY_OFFSET, n), 0)
    table["parallax"] = 1000 / distance + offset + error * rng.normal(size=n)
    table["parallax_err"] = error
    high_ruwe = 1.4 + rng.exponential(1.5, n)
    table["ruwe"] = np.where(is_binary, high_ruwe, np.minimum(rng.normal(1.02, 0.08, n), 1.4))
    table["k_mag"] = table["m_k"] + modulus + A_K * a_v + rng.normal(0, SCATTER["k_mag"], n)
    table["k_mag_err"] = SCATTER["k_mag"]
    table["a_k"] = A_K * a_v * np.exp(rng.normal(0, SCATTER["a_k"], n))
    table["a_k_err"] = SCATTER["a_k"] * table["a_k"]
    for name in ("k_mag", "a_k"):
        table.loc[rng.uniform(size=n) < MISSING_SHARE, [name, f"{name}_err"]] = np.nan
    table["distance"] = distance
    table.insert(0, "star_id", [f"mock{i:06d}" for i in range(n)])
    return table.drop(columns=["m_g", "luminosity", "radius"])


def write_survey(args):
    """Write the CSV file and the figure, and print a summary."""
    from starlabels.plots import mock_survey as plots

    table = draw_survey(np.random.default_rng(args.seed), args.n, args.zero_point)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    table.round(6).to_csv(args.out, index=False)
    counts = table["kind"].value_counts().items()
    kinds = ", ".join(f"{format_count(n)} {kind}" for kind, n in counts)
    print(f"{args.out}: {format_count(len(table))} stars: {kinds}")
    n_negative = format_count(int((table["parallax"] < 0).sum()))
    n_bad = format_count(int((table["ruwe"] > 1.4).sum()))
    print(f"{n_negative} have a negative parallax, {n_bad} ruwe > 1.4")
    print(f"wrote {plots.draw_mock_survey(table, args.out.with_suffix('.png'))}")


def run_mock(run, doc, n, out, **options):
    """Run the command line of a mock.

    Parameters
    ----------
    run : function(args) that writes the mock.
    doc : docstring of the module, whose first line describes the command.
    n, out : defaults of --n and --out.
    options : {name: (default, help)} of further options.
    """
    parser = argparse.ArgumentParser(description=doc.partition("\n")[0])
    parser.add_argument("--n", type=int, default=n, help=f"number of stars (default {n})")
    parser.add_argument("--out", type=Path, default=Path(out), help="CSV file to write")
    parser.add_argument("--seed", type=int, default=1, help="of the random numbers (default 1)")
    for option, (default, text) in options.items():
        name = "--" + option.replace("_", "-")
        text = f"{text} (default {default})"
        parser.add_argument(name, type=type(default), default=default, help=text)
    args = parser.parse_args()
    if args.n < 1 or args.seed < 0:
        values = f"--n {args.n} --seed {args.seed}"
        exit_with_error(f"{values}: expected at least one star, and a seed of 0 or more")
    try:
        run(args)
    except OSError as error:
        exit_with_error(f"{error.filename or args.out}: {error.strerror or error}")


if __name__ == "__main__":
    zero_point = (-0.05, "mas, added to every parallax")
    sys.exit(run_mock(write_survey, __doc__, 20_000, "data/mock_survey.csv", zero_point=zero_point))
