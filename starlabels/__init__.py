"""Stellar labels from spectra: synthetic grids, networks, errors, and Jacobians that explain them."""
