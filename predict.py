"""Predict the labels of observed spectra, with errors, radial velocity and flags.

Reads  the files given (FITS images and tables, HDF5, CSV or text), models/<run>/ of --model,
       the node library
Writes results.csv, results.fits, index.html and a figure per star into the folder of --out;
       for tables results.csv only
"""

from starlabels.stages.command_line import run_command
from starlabels.stages.predict import add_arguments, find_model_config, predict_labels

if __name__ == "__main__":
    run_command(predict_labels, __doc__, add_arguments, recipe=find_model_config)
