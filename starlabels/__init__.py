"""Stellar labels from spectra: synthetic grids, networks, errors, and Jacobians to explain them."""
