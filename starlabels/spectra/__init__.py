"""Observed spectra: reading, preparing, radial velocity, continuum and results."""
