"""How a file came about: recipe, inputs, command, commit and versions."""

import contextlib
import functools
import json
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

SCHEMA = 1
PACKAGES = ["numpy", "scipy", "scikit-learn", "h5py", "keras", "tensorflow", "pysme-astro"]


def root_attributes(stage, digest, config, inputs):
    """How a file was made: {root attribute: value} of design and provenance."""
    return {
        "schema": SCHEMA,
        "stage": stage,
        "digest": str(digest),
        "parts": json.dumps(getattr(digest, "parts", {})),
        "config": config,
        "inputs": json.dumps({str(name): str(value) for name, value in inputs.items()}),
        "command": shlex.join(sys.argv),
        "commit": commit(),
        "created": now(),
        "versions": json.dumps(versions()),
    }


def now():
    """Date and time, UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


@functools.cache
def versions():
    """{package: version} of Python and of what the results depend on."""
    found = {"python": sys.version.split()[0]}
    for name in PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


@functools.cache
def commit():
    """The commit of this code, with + if files differ from it; "unknown" outside a git checkout."""
    git = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty=+"]
    try:
        return subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
