"""Stellar labels from spectra: synthetic grids, a 1-D CNN in Keras, and Jacobians that show what it reads."""
