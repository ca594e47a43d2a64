"""Digests of the configuration: what each stage's file depends on, and what has changed since."""

import hashlib
import json
from pathlib import Path

from starlabels.base import hdf5
from starlabels.config.paths import run_paths

OWN_SECTIONS = {  # stage -> (the stage it builds on, sections it reads itself)
    "grid": (None, ["seed", "wave", "grid"]),
    "0_join": (None, ["labels", "wave", "join"]),
    "2_preprocess": ("0_join", ["seed", "preprocess", "features"]),
    "3_train": ("2_preprocess", ["target", "autoencoder", "intrinsic", "model", "train"]),
    "4_test": ("3_train", ["test"]),
    "jacobian": ("3_train", ["jacobian"]),
}
NO_EFFECT = [  # keys that change speed, or what is seen meanwhile, not results
    ("preprocess", "chunk_rows"),
    ("train", "devices"),
    ("train", "tensorboard"),
]


class Digest(str):
    """16 hex digits of all a stage depends on; `parts` has those of each section and file, to tell what changed."""

    parts: dict

    def changes(self, parts):
        """Names of the parts that differ from those stored in a file, in words."""
        names = [
            name for name in {**self.parts, **parts} if self.parts.get(name) != parts.get(name)
        ]
        return ", ".join(names) or "its inputs"


def stage_digest(cfg, stage):
    """The Digest that the file of a stage must carry to fit this configuration and the databases on disk."""
    result = Digest(short_hash(parts := dependencies(cfg, stage)))
    result.parts = parts
    return result


def dependencies(cfg, stage):
    """{section or file: 16 hex digits} of all that the stage's file depends on, through all stages before it."""
    before, sections = OWN_SECTIONS[stage]
    values = cfg.model_dump(mode="json", include=set(sections))
    for section, key in NO_EFFECT:
        values.get(section, {}).pop(key, None)
    if values.get("train", {}).get("precision") == "float32":
        values["train"].pop("precision")  # models made before there was the key are of that
    parts = dependencies(cfg, before) if before else {}
    parts |= {name: short_hash(values[name]) for name in sections}
    if stage == "grid":
        files = [cfg.grid.labels_csv, cfg.grid.nodes.library] if cfg.grid else []
        parts |= {name: found for name in files if name and (found := hdf5.file_digest(name))}
    if stage == "4_test" and cfg.test.generator:
        parts[cfg.test.generator] = (
            hdf5.file_digest(Path(cfg.test.generator) / "scaling.h5") or "missing"
        )
    if stage == "0_join":
        for path in (entry.path for entry in (*cfg.join.databases, *(cfg.join.catalogues or []))):
            parts |= (
                dependencies(cfg, "grid")
                if is_own_grid(cfg, path)
                else {path: database_digest(cfg, path)}
            )
    return parts


def database_digest(cfg, path):
    """Digest of a database that grid.py did not make; of one deleted since it was joined, the digest noted then."""
    return hdf5.file_digest(path) or hdf5.recorded_inputs(run_paths(cfg).joined).get(path, "missing")


def is_own_grid(cfg, path):
    """Whether a database is the file that grid.py writes under this configuration."""
    return bool(cfg.grid) and Path(path).resolve() == run_paths(cfg).grid.resolve()


def short_hash(value):
    """16 hex digits of a value's canonical JSON."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
