"""Look at the labels before anything is trained on them: a table, and histograms, Kiel diagram and pairs.

Reads  data/<run>/0_joined.h5
Writes figures/<run>/1_histograms.png, 1_kiel.png, 1_pairs.png, and of tables 1_missing.png, 1_errors.png, 1_sky.png
"""

from starlabels.stages import command_line, label_study

if __name__ == "__main__":
    command_line.main(label_study.run, __doc__)
