"""Predict the labels of held-out spectra at several signal-to-noise ratios and score them in physical units.

With target flux: generate the spectra of held-out labels, and score them against the synthesised ones.
Reads  data/<run>/2_prepared.h5, models/<run>/{model.keras, decoder.keras, scaling.h5}, the node library
Writes models/<run>/{predictions.h5, metrics.json, README.md}, figures/<run>/4_*.png
"""

from starlabels.stages import command_line, test_flux, test_labels

TARGETS = {"labels": test_labels.run, "flux": test_flux.run}

if __name__ == "__main__":
    command_line.main(
        lambda cfg, args: TARGETS[cfg.target](cfg, args), __doc__, test_labels.arguments
    )
