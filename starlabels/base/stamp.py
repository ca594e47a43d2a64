"""Root attributes of new files: recipe, inputs, command, commit and versions."""

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
        "command": shlex.join(sys.argv),
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
    """The commit of this code, with + if files were changed; "unknown" outside a git checkout."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty=+"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
