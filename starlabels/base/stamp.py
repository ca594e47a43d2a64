"""Root attributes of new files: recipe, inputs, command, commit and versions."""

import contextlib
import functools
import json
import os
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from starlabels.base.console import make_printable

SCHEMA = 1
# Files that all are in a git checkout of this code, and in no other repository
OWN_FILES = ["starlabels/base/stamp.py", "grid.py", "data/SHA256SUMS"]
PACKAGES = ["numpy", "scipy", "scikit-learn", "h5py", "keras", "tensorflow", "pysme-astro"]


def make_root_attributes(stage, digest, config, inputs):
    """Root attributes {name: value} that record how a file is made.

    stage, config: str; digest: str or Digest; inputs: {file: digest}.
    """
    return {
        "schema": SCHEMA,
        "stage": stage,
        "digest": str(digest),
        "parts": json.dumps(getattr(digest, "parts", {})),
        "config": config,
        "inputs": json.dumps({str(name): str(value) for name, value in inputs.items()}),
        "command": make_printable(shlex.join(sys.argv)),
        "commit": get_commit(),
        "created": format_utc_now(),
        "versions": json.dumps(get_versions()),
    }


def format_utc_now():
    """Current date and time (UTC, ISO 8601)."""
    return datetime.now(UTC).isoformat(timespec="seconds")


@functools.cache
def get_versions():
    """{package: version} of Python and of the packages that results depend on."""
    versions = {"python": sys.version.split()[0]}
    for name in PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            versions[name] = version(name)
    return versions


@functools.cache
def get_commit():
    """The commit of this code, with + if files were changed; "unknown" outside its git checkout.

    A repository that merely encloses the package, around a copy or around site-packages, does not
    count.
    """
    root = Path(__file__).resolve().parents[2]
    try:
        top = run_git(root, "rev-parse", "--show-toplevel")
        run_git(root, "ls-files", "--error-unmatch", *OWN_FILES)
        commit = run_git(root, "describe", "--always", "--dirty=+")
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return commit if Path(top).resolve() == root else "unknown"


def run_git(folder, *words):
    """The output of a git command in a folder; the repository of GIT_DIR, if set, is ignored."""
    environment = {name: value for name, value in os.environ.items() if name[:4] != "GIT_"}
    command = ["git", "-C", str(folder), *words]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, timeout=60, env=environment
    )
    return done.stdout.rstrip("\n")
