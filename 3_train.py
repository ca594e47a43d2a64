"""Train the network of the configuration on the prepared spectra, with noise drawn anew for every batch; resumes if killed.

Reads  data/<run>/2_prepared.h5, models/<run>.partial/ of a training that was stopped
Writes models/<run>/{model.keras, decoder.keras, autoencoder.keras, scaling.h5, history.csv, config.yaml}, figures/<run>/3_*.png
"""

from starlabels.stages import command_line, train_flux, train_labels

TARGETS = {"labels": train_labels.run, "flux": train_flux.run}

if __name__ == "__main__":
    command_line.main(lambda cfg, args: TARGETS[cfg.target](cfg, args), __doc__)
