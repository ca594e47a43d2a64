"""Generate spectra of given labels by a trained generator: of one star, or of each row of a table.

Reads  models/<run>/ of --model; the CSV file of --table, one column per label and an optional star_id
Writes the file of --out: .fits, .csv, .h5 or .png
"""

from starlabels import cli, generating

if __name__ == "__main__":
    cli.main(generating.run, __doc__, generating.arguments, recipe=generating.recipe)
