"""Generate spectra at given labels with a trained generator, of one star or of a table.

Reads  models/<run>/ of --model; the table of --table, one column per label, optional star_id
Writes the file of --out: .fits, .csv, .h5 or .png
"""

from starlabels.stages.command_line import run_command
from starlabels.stages.generate import add_arguments, find_model_config, generate_spectra

if __name__ == "__main__":
    run_command(generate_spectra, __doc__, add_arguments, recipe=find_model_config)
