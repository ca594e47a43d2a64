"""State of a training under way, from which a killed one continues.

The folder of a training has history.csv, with a new line after each epoch; tensorboard/ if the
recipe asks for it; and `state`, which is replaced as a whole once it is on the disk.
"""

import csv
import json
import shutil

import numpy as np

from starlabels.base.errors import UserError
from starlabels.base.files import remove_folder, replace_folder, restore_folder
from starlabels.learning.devices import ONE_DEVICE

STATE = "state"
LAST = "last.npz"
BEST = "best.npz"
PROGRESS = "history.json"
HISTORY = "history.csv"
KEYS = ("loss", "val_loss", "learning_rate", "seconds")  # of an epoch


def write_checkpoint(network, history, logs, folder, digest, devices=ONE_DEVICE):
    """Append an epoch to the history, and write it with the state of the network.

    Parameters
    ----------
    network : keras.Model
        Compiled.
    history : dict
        {key: one number per epoch}, changed in place.
    logs : dict
        {key: number} of the epoch.
    folder : Path
        Of the training.
    digest : str
        Of the recipe and the spectra.
    devices : Devices
        Only the chief writes.
    """
    import keras

    is_best = not history["val_loss"] or logs["val_loss"] < min(history["val_loss"])
    for key, values in history.items():
        values.append(float(logs[key]))
    if not devices.is_chief:
        return
    with replace_folder(folder / STATE) as tmp:
        # not HDF5, which ends the process if the disk is full
        with (tmp / LAST).open("wb") as file:
            np.savez(file, *map(keras.ops.convert_to_numpy, list_state_variables(network)))
        shutil.copy(tmp / LAST if is_best else folder / STATE / BEST, tmp / BEST)
        state = {"digest": digest, "ended": bool(network.stop_training), "history": history}
        (tmp / PROGRESS).write_text(json.dumps(state))
    with (folder / HISTORY).open("a", newline="") as file:
        last = [values[-1] for values in history.values()]
        csv.writer(file).writerow([len(history["loss"]), *last])


def resume_training(network, folder, digest, devices=ONE_DEVICE):
    """Restore the state of a killed training of the same digest.

    Parameters
    ----------
    network : keras.Model
        Compiled, with its optimiser built; gets the weights and random states of the chief.
    folder, digest, devices
        As of `write_checkpoint`.

    Returns
    -------
    history : dict
        {key: one number per epoch}; without epochs if there is nothing to continue.
    ended : bool
        True if the training had ended.
    """
    devices.check_agreement(digest)
    history = {key: [] for key in KEYS}
    ended = False
    if devices.is_chief:
        history, ended = read_checkpoint(network, folder, digest)
    n_epochs, ended = map(int, devices.broadcast_from_chief([len(history["loss"]), ended]))
    if n_epochs:
        table = np.array([history[key] or [0.0] * n_epochs for key in KEYS])
        [table] = devices.broadcast_from_chief([table])
        history = dict(zip(KEYS, np.asarray(table).tolist()))
        print(f"going on after epoch {n_epochs} of a training that was stopped")
    assign_from_chief(list_state_variables(network), devices)
    if devices.is_chief:
        if not n_epochs:
            remove_folder(folder)  # of another recipe
        folder.mkdir(parents=True, exist_ok=True)
        write_history(history, folder / HISTORY)
        print(f"a line an epoch: {folder / HISTORY}")
    return history, bool(ended)


def read_checkpoint(network, folder, digest):
    """History in a folder and whether the training had ended; the network gets its state.

    The history is empty if there is no state, or, after a printed line, if it is damaged or of
    another digest. The network is unchanged then.
    """
    state_folder = folder / STATE
    restore_folder(state_folder)
    nothing = {key: [] for key in KEYS}, False
    if not state_folder.is_dir():
        return nothing
    try:
        progress = read_progress(state_folder / PROGRESS)
        if progress["digest"] != digest:
            print(f"{folder} has other settings or spectra: the training starts anew")
            return nothing
        read_network_state(state_folder / BEST, network)
        last = read_network_state(state_folder / LAST, network)
    except UserError as error:
        print(f"{error}: the training starts anew")
        return nothing
    assign_state(network, last)
    return progress["history"], progress["ended"]


def read_progress(path):
    """The digest, the history and `ended` of history.json; UserError if it is damaged."""
    try:
        progress = json.loads(path.read_text())
        columns = [np.array(progress["history"][key], float) for key in KEYS]
        n_epochs = len(progress["history"]["loss"])
        is_sound = n_epochs and all(column.shape == (n_epochs,) for column in columns)
        is_sound = is_sound and len(progress["history"]) == len(KEYS)
        if is_sound and isinstance(progress["digest"], str) and isinstance(progress["ended"], bool):
            return progress
    except PermissionError:
        raise
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(f"{path} is {describe_damage(path)}") from error
    raise UserError(f"{path} is damaged")


def list_state_variables(network):
    """Variables of a compiled network, of its random numbers and of its optimiser."""
    return network.variables + network.optimizer.variables


def read_network_state(path, network):
    """Values of the state variables in a file; UserError if they are not those of the network."""
    values = read_state(path)
    shapes = [tuple(variable.shape) for variable in list_state_variables(network)]
    if [array.shape for array in values] != shapes or any(
        a.dtype.kind not in "fiub" for a in values
    ):
        raise UserError(f"{path} is of another network")
    return values


def read_state(path):
    """Values of the state variables in a file; UserError if it is empty, damaged or missing."""
    try:
        with np.load(path, allow_pickle=False) as packed:
            return [packed[name] for name in packed]
    except PermissionError:
        raise
    except Exception as error:  # NumPy and zipfile report damage in different ways
        raise UserError(f"{path} is {describe_damage(path)}") from error


def describe_damage(path):
    """`missing`, `empty` or `damaged`."""
    if not path.is_file():
        return "missing"
    return "damaged" if path.stat().st_size else "empty"


def assign_state(network, values):
    """Assign values to the state variables of a network."""
    for variable, value in zip(list_state_variables(network), values, strict=True):
        variable.assign(value)


def assign_from_chief(variables, devices):
    """Assign the chief's values to Keras variables."""
    if devices.worker is None:
        return
    values = devices.broadcast_from_chief([variable.numpy() for variable in variables])
    for variable, value in zip(variables, values):
        variable.assign(value)


def write_history(history, path):
    """Write a history {key: one number per epoch} as CSV."""
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["epoch", *history])
        table.writerows((i, *row) for i, row in enumerate(zip(*history.values()), start=1))
