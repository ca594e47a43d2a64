"""Predict the labels of held-out spectra at several signal-to-noise ratios and score them.

With target flux: generate the spectra of held-out labels and compare them with synthesised ones.

Reads  data/<run>/2_prepared.h5, models/<run>/{model.keras, decoder.keras, scaling.h5}, node library
Writes models/<run>/{predictions.h5, metrics.json, README.md}, figures/<run>/4_*.png
"""

from starlabels.stages.command_line import run_command
from starlabels.stages.test import add_arguments, score_network

if __name__ == "__main__":
    run_command(score_network, __doc__, add_arguments)
