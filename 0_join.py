"""Join the databases of spectra that the configuration names into one indexed file.

Reads  the files of join.databases (ours, or X, TEMP, LOGG, VROT, META of stellar-parameters-NN)
Writes data/<run>/0_joined.h5
"""

from starlabels.stages.command_line import run_command
from starlabels.stages.join import join_databases

if __name__ == "__main__":
    run_command(join_databases, __doc__)
