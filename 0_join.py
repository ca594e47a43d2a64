"""Stack the databases of spectra that the configuration names into one indexed file.

Reads  the files of join.databases (ours, or X, TEMP, LOGG, VROT, META of stellar-parameters-NN)
Writes data/<run>/0_joined.h5
"""

from starlabels.stages import command_line, join

if __name__ == "__main__":
    command_line.main(join.run, __doc__)
