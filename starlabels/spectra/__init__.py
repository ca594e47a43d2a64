"""Observed spectra: reading, preparation, radial velocity, continuum and results."""
