"""Predict the labels of observed spectra, each with an error, its radial velocity and what speaks against it.

Reads  the files named: FITS images and tables, HDF5, CSV or text; models/<run>/ of --model; the node library
Writes results.csv, results.fits, index.html and a figure a star into the folder of --out; of tables results.csv only
"""

from starlabels.stages import command_line, predict

if __name__ == "__main__":
    command_line.main(predict.run, __doc__, predict.arguments, recipe=predict.recipe)
