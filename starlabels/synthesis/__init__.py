"""Synthetic spectra: lines, atmospheres, SMElib, node libraries, sampling, broadening, Cramér-Rao bound."""
