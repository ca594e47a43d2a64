"""Train the network of the recipe on the prepared spectra; a killed training resumes.

Noise is drawn anew for every batch.

Reads  data/<run>/2_prepared.h5, and models/<run>.partial/ of an interrupted training
Writes models/<run>/{model.keras, decoder.keras, autoencoder.keras, scaling.h5, history.csv,
       config.yaml}, figures/<run>/3_*.png
"""

from starlabels.stages.command_line import run_command
from starlabels.stages.train import train_network

if __name__ == "__main__":
    run_command(train_network, __doc__)
