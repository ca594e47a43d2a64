"""Study the labels before training: a table, histograms, a Kiel diagram and a plot of all pairs.

Reads  data/<run>/0_joined.h5
Writes figures/<run>/1_histograms.png, 1_kiel.png, 1_pairs.png;
       for tables also 1_missing.png, 1_errors.png, 1_sky.png
"""

from starlabels.stages.command_line import run_command
from starlabels.stages.label_study import study_labels

if __name__ == "__main__":
    run_command(study_labels, __doc__)
