"""Split the spectra by star into training, validation and test parts, shuffled, with scaling of labels and components.

Reads  data/<run>/0_joined.h5
Writes data/<run>/2_prepared.h5
"""

from starlabels.stages import command_line, preprocess

if __name__ == "__main__":
    command_line.main(preprocess.run, __doc__)
