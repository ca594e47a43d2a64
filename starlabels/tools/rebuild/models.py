"""Rebuild the trained models in data/models: train their recipes, and package the results.

`python -m starlabels.tools.rebuild.models [NAME ...]`. A model that models/<run> already holds is
packaged as it is. The files are compressed; no number in them changes.
"""

import argparse
import json
import shutil
import subprocess
import sys
import zipfile

import h5py

from starlabels.base import checksums, files
from starlabels.base.errors import UserError
from starlabels.base.install import CHECKOUT, MODEL_FOLDER, RECIPE_FOLDER
from starlabels.config import load
from starlabels.config.paths import run_paths

NAMES = ("observed_lowres", "observed_highres")
STAGES = ("grid.py", "0_join.py", "2_preprocess.py", "3_train.py")
LARGEST = 10e6  # bytes of a model


def package_model(source, target):
    """Copy the folder of a trained model, compressed; its size in bytes.

    Parameters
    ----------
    source : Path
        models/<run>.
    target : Path
        Folder to write; an older one is replaced.

    Raises
    ------
    UserError
        If it is larger than a packaged model may be.
    """
    with files.replace_folder(target) as folder:
        for path in sorted(source.glob("*.keras")):
            compress_zip(path, folder / path.name)
        shutil.copy(source / "config.yaml", folder)
        compress_hdf5(source / "scaling.h5", folder / "scaling.h5")
        with h5py.File(folder / "scaling.h5", "r+") as h5:
            sums = {path.name: files.compute_sha256(path) for path in folder.glob("*.keras")}
            h5.attrs["files"] = json.dumps(sums)
        size = sum(path.stat().st_size for path in folder.iterdir())
        if size > LARGEST:
            raise UserError(f"{source} has {size / 1e6:.1f} MB, expected {LARGEST / 1e6:g} at most")
    return size


def compress_zip(source, target):
    """Copy a zip archive with all members deflated, and their dates left out."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            new.writestr(info, old.read(name), compresslevel=9)


def compress_hdf5(source, target):
    """Copy an HDF5 file with all arrays compressed."""
    with h5py.File(source) as old, h5py.File(target, "w") as new:
        new.attrs.update(old.attrs)

        def copy(name, item):
            if isinstance(item, h5py.Dataset):
                options = {"compression": 9, "shuffle": True} if item.size > 64 else {}
                made = new.create_dataset(name, data=item[()], **options)
            else:
                made = new.require_group(name)
            made.attrs.update(item.attrs)

        old.visititems(copy)


def train_model(name):
    """Train the recipe of a name, unless models/<name> has it; its folder."""
    recipe = RECIPE_FOLDER / f"{name}.yaml"
    folder = run_paths(load.load_config(recipe)).model_dir
    if not (folder / "scaling.h5").is_file():
        for stage in STAGES:
            subprocess.run([sys.executable, CHECKOUT / stage, "--config", recipe], check=True)
    return folder


def main():
    """Train and package the named models."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"default: {' '.join(NAMES)}")
    for name in parser.parse_args().names or NAMES:
        target = MODEL_FOLDER / name
        size = package_model(train_model(name), target)
        for path in sorted(target.iterdir()):
            checksums.record_checksum(path)
        print(f"{target}: {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
