"""Digests of the configuration: what the file of each stage depends on, and what has changed."""

import hashlib
import json
from pathlib import Path

from starlabels.base import hdf5
from starlabels.config.paths import grid_path, resolve_path, run_paths
from starlabels.spectra.discrepancy_files import locate_discrepancy

OWN_SECTIONS = {  # stage -> (the stage it builds on, the sections it reads itself)
    "grid": (None, ["seed", "wave", "grid"]),
    "0_join": (None, ["labels", "wave", "join"]),
    "2_preprocess": ("0_join", ["seed", "preprocess", "features"]),
    "3_train": ("2_preprocess", ["target", "autoencoder", "intrinsic", "model", "train"]),
    "4_test": ("3_train", ["test"]),
    "jacobian": ("3_train", ["jacobian"]),
}
NO_EFFECT = [  # keys that change speed or monitoring, but no result
    ("preprocess", "chunk_rows"),
    ("train", "devices"),
    ("train", "tensorboard"),
]


class Digest(str):
    """Digest of 16 hex digits.

    `parts` holds the digest of each section and file that it is made of. `former` is the digest of
    the same state in files made before the contents of all inputs were hashed.
    """

    parts: dict
    former: str

    def changes(self, parts):
        """Names of the parts that differ from those stored in a file, separated by commas."""
        every = {**self.parts, **parts}
        names = [name for name in every if self.parts.get(name) != parts.get(name)]
        return ", ".join(names) or "its inputs"


def stage_digest(cfg, stage):
    """Digest of all that the file of a stage depends on.

    Parameters
    ----------
    cfg : Config
    stage : str
        A key of `OWN_SECTIONS`.

    Returns
    -------
    Digest
        It changes with the configuration and with the databases on disk.
    """
    parts = dependencies(cfg, stage)
    result = Digest(short_hash(parts))
    result.parts = parts
    result.former = short_hash(dependencies(cfg, stage, hdf5.compute_former_digest))
    return result


def dependencies(cfg, stage, compute_digest=hdf5.compute_file_digest):
    """{section or file: digest} of all that a stage's file depends on, earlier stages included.

    Files are hashed by their contents, except the grid of this recipe: `open_database` checks that
    its own digest is that of the settings.
    """
    before, sections = OWN_SECTIONS[stage]
    values = cfg.model_dump(mode="json", include=set(sections))
    for section, key in NO_EFFECT:
        values.get(section, {}).pop(key, None)
    if values.get("train", {}).get("precision") == "float32":
        values["train"].pop("precision")  # models trained before the key existed are float32
    observed = (values.get("preprocess") or {}).get("observed") or {}
    discrepancy = observed.pop("discrepancy", None)  # the key is younger than many models
    parts = dependencies(cfg, before, compute_digest) if before else {}
    parts |= {name: short_hash(values[name]) for name in sections}
    if discrepancy:
        parts[discrepancy] = compute_digest(locate_discrepancy(discrepancy)) or "missing"
    if stage == "grid" and cfg.grid:
        for name in (cfg.grid.labels_csv, cfg.grid.nodes.library):
            if name and (digest := compute_digest(name)):
                parts[name] = digest
    if stage == "4_test" and cfg.test.generator:
        scaling = Path(cfg.test.generator) / "scaling.h5"
        parts[cfg.test.generator] = compute_digest(scaling) or "missing"
    if stage == "0_join":
        for entry in (*cfg.join.databases, *(cfg.join.catalogues or [])):
            if is_own_grid(cfg, entry.path):
                parts |= dependencies(cfg, "grid", compute_digest)
            else:
                parts[entry.path] = database_digest(cfg, entry.path, compute_digest)
    return parts


def database_digest(cfg, path, compute_digest=hdf5.compute_file_digest):
    """Digest of a database from elsewhere; if deleted, the digest noted when it was joined."""
    digest = compute_digest(path)
    return digest or hdf5.read_recorded_inputs(run_paths(cfg).joined).get(path, "missing")


def is_own_grid(cfg, path):
    """Whether a database is the file that grid.py writes with this configuration."""
    return bool(cfg.grid) and resolve_path(path) == resolve_path(grid_path(cfg))


def short_hash(value):
    """First 16 hex digits of the SHA-256 of a value's canonical JSON."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
