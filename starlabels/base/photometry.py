"""Photometric bands and interstellar extinction."""

# Effective wavelengths (micron), 10 000 K to 3000 K: SVO Filter Profile Service (Rodrigo & Solano
# 2020)
BANDS = {
    "U": 0.360, "B": 0.437, "V": 0.549, "R": 0.639, "I": 0.783,
    "u": 0.361, "g": 0.467, "r": 0.614, "i": 0.746, "z": 0.892,
    "G": 0.622, "BP": 0.511, "RP": 0.777,
    "J": 1.235, "H": 1.662, "Ks": 2.159,
    "W1": 3.353, "W2": 4.603, "W3": 11.56,
}  # fmt: skip
R_V = 3.1


def compute_relative_extinction(band):
    """A(band) / A(V) at the effective wavelength of a band of BANDS, for R_V = 3.1.

    References
    ----------
    Gordon et al. (2023), ApJ 950, 86.
    """
    from astropy import units
    from dust_extinction.parameter_averages import G23

    return float(G23(Rv=R_V)(BANDS[band] * units.micron))
