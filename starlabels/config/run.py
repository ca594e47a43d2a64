"""One run of the pipeline: its configuration, its files, its digests, and the figures it writes."""

import contextlib
from functools import cached_property

from starlabels.base import hdf5, provenance
from starlabels.base.files import renew_files
from starlabels.config.digests import stage_digest
from starlabels.config.paths import run_paths

FILES = {  # stage -> name of its file in config/paths.py; scaling is models/<run>/scaling.h5
    "grid": "grid",
    "0_join": "joined",
    "2_preprocess": "prepared",
    "3_train": "scaling",
    "4_test": "predictions",
    "jacobian": "jacobian",
}


class Run:
    """What every stage is given: the configuration, with its file paths, digests and figures.

    Parameters
    ----------
    cfg : Config
        The validated configuration, see `starlabels.config.load`.

    Attributes
    ----------
    cfg : Config
    paths : SimpleNamespace
        Files and folders of the run, relative to the current folder.
    text : str
        The complete configuration as YAML; it is stored in every file that the run writes.
    """

    def __init__(self, cfg):
        self.cfg = cfg

    @cached_property
    def paths(self):
        """Files and folders of the run."""
        return run_paths(self.cfg)

    @property
    def text(self):
        """The complete configuration as YAML."""
        return self.cfg.text

    def digest(self, stage):
        """Digest that the file of a stage must carry to fit the configuration and databases."""
        return stage_digest(self.cfg, stage)

    def open(self, stage):
        """Open the file of a stage for reading.

        Raises
        ------
        UserError
            If the file is missing, damaged or stale; the message names the script to run.
        """
        path = getattr(self.paths, FILES[stage])
        return hdf5.open_stage(path, stage, self.digest(stage))

    def create(self, stage, digest, inputs):
        """Create the file of a stage; inputs {file: digest} are what it is made from."""
        path = getattr(self.paths, FILES[stage])
        return hdf5.create_file(path, stage, digest, self.text, inputs)

    @contextlib.contextmanager
    def figures(self, pattern, inputs):
        """Folder for the figures of a stage; older figures that match are deleted.

        Parameters
        ----------
        pattern : str
            Glob pattern of the figures, such as ``4_*.png``.
        inputs : dict
            {file: digest} of what the figures show; written into them with the configuration.
        """
        folder = self.paths.figure_dir
        with renew_files(folder, pattern):
            yield folder
        for path in sorted(folder.glob(pattern)):
            provenance.stamp_figure(path, self.text, inputs)
