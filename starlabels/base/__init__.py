"""Foundations shared by all wings: labels, files, HDF5, provenance, errors."""
