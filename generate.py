"""Generate spectra of given labels by a trained generator: of one star, or of each row of a table.

Reads  models/<run>/ of --model; the CSV file of --table, one column per label and an optional star_id
Writes the file of --out: .fits, .csv, .h5 or .png
"""

from starlabels.stages import command_line, generate

if __name__ == "__main__":
    command_line.main(generate.run, __doc__, generate.arguments, recipe=generate.recipe)
