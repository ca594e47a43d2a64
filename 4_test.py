"""Predict the labels of held-out spectra at several signal-to-noise ratios and score them in physical units.

Reads  data/<run>/2_prepared.h5, models/<run>/{model.keras, decoder.keras, scaling.h5}, the node library
Writes models/<run>/{predictions.h5, metrics.json}, figures/<run>/4_*.png
"""

from starlabels import cli, evaluation

if __name__ == "__main__":
    cli.main(evaluation.run, __doc__, evaluation.arguments)
