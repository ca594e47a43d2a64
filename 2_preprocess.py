"""Split the spectra by star into training, validation and test parts; shuffle and standardise.

Reads  data/<run>/0_joined.h5
Writes data/<run>/2_prepared.h5
"""

from starlabels.stages.command_line import run_command
from starlabels.stages.preprocess import prepare_spectra

if __name__ == "__main__":
    run_command(prepare_spectra, __doc__)
