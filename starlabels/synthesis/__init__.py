"""Synthetic spectra: lines, atmospheres, SMElib, node libraries, sampling, Cramér-Rao bound."""
