"""The loop of every training: epochs with their rate and time, early stopping, and a place to go on from after a kill.

A folder has all of a training that is under way: history.csv, a line more after each epoch, tensorboard/ if the recipe asks for
it, and `state`, which is replaced as a whole.
"""

import contextlib
import csv
import inspect
import json
import math
import shutil
import sys
import time
import zipfile
from textwrap import shorten

import numpy as np

from starlabels.base import memory
from starlabels.base.console import format_count
from starlabels.base.errors import UserError
from starlabels.base.files import remove_folder, replace_folder, restore_folder
from starlabels.learning.devices import ONE_DEVICE
from starlabels.learning.losses import LOSSES
from starlabels.learning.networks import BUILDERS
from starlabels.learning.schedules import build_cosine_schedule

STATE, LAST, BEST = "state", "last.npz", "best.npz"  # of a training that is under way
HISTORY, TENSORBOARD = "history.csv", "tensorboard"  # to follow it by
KEYS = ("loss", "val_loss", "learning_rate", "seconds")  # of an epoch
WEIGHT_BYTES = 16  # a weight, its gradient and the two moments of Adam
STEPS = 32  # between returns to Python: at each step they would cost a fifth of the time


def build_network(cfg, n_inputs, n_outputs, precision="float32", **known):
    """The network of the recipe's section `model`, its random draws seeded; UserError if its arguments do not go together.

    precision: Keras's dtype policy of its layers, of which those that give the outputs keep to float32. known: what else a
    builder may ask for, such as wave; it takes the place of an argument of that name.
    """
    import keras

    keras.utils.set_random_seed(cfg.seed)
    builder = BUILDERS[cfg.model.builder]
    asked = {name: known[name] for name in inspect.signature(builder).parameters if name in known}
    try:
        with dtype_policy(precision):
            return build_within_memory(
                lambda: builder(n_inputs, n_outputs, **cfg.model.arguments | asked),
                f"{cfg.path}: model",
            )
    except ValueError as error:
        raise UserError(
            f"{cfg.path}: model: {shorten(' '.join(str(error).split()), 300)}"
        ) from None


def build_within_memory(build, where):
    """What build() gives, a network or several; UserError, before their weights are made, if the memory cannot hold them."""
    import keras

    try:
        with keras.StatelessScope(initialize_variables=False):  # shapes only
            made = build()
            n = sum(
                network.count_params() for network in (made if isinstance(made, tuple) else (made,))
            )
        memory.check_memory(
            n * WEIGHT_BYTES, f"{where}: {format_count(n)} weights in training", "make the network smaller"
        )
    except (ValueError, UserError):
        keras.utils.clear_session()  # weights that wait would be made with those of the next network
        raise
    with keras.StatelessScope():
        pass  # at its end Keras makes the weights that wait
    return made


@contextlib.contextmanager
def dtype_policy(name):
    """The context in which Keras's layers are of that dtype policy."""
    import keras

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def train_network(network, train, batches, validation, folder, digest, cfg, devices=ONE_DEVICE):
    """Train on SpectrumBatches by the section `train`, from where a killed training left `folder`, on devices.

    Of cfg, the Config, only what is the same for all networks of a run. {loss, val_loss, learning_rate, seconds: a list with a
    number an epoch}. UserError naming the recipe if it diverges.
    """
    with devices.scope():
        compile_network(network, train, len(batches), devices)
        network.optimizer.build(network.trainable_variables)
        history, ended = resume_training(network, folder, digest, devices)
        batches.go_to(epoch=len(history["loss"]))
        batches.share = devices.share
        if devices.strategy:
            validation.share = devices.share  # workers each go through all of it
            batches.workers = validation.workers = (
                1  # with more, Keras trains on batches that it has drawn to learn their shape
            )
        if not ended:
            board = folder / TENSORBOARD if cfg.train.tensorboard and devices.is_chief else None
            with devices.together():
                run_epochs(
                    network,
                    train,
                    (batches, validation),
                    history,
                    lambda logs: write_checkpoint(network, history, logs, folder, digest, devices),
                    board,
                    devices,
                )
        if not math.isfinite(history["loss"][-1] + history["val_loss"][-1]):
            if devices.is_chief:
                remove_folder(folder)
            raise UserError(
                f"{cfg.path}: training diverged, the loss is not finite: lower train.learning_rate"
            )
        if devices.is_chief:
            assign_state(network, read_state(folder / STATE / BEST))
        assign_from_chief(network.variables, devices)
    return history


def run_epochs(network, train, batches, history, keep, board, devices):
    """Keras's loop over the epochs that the history lacks, on batches (of training, of validation).

    keep(logs): called after each epoch. board: None, or the folder that TensorBoard is to read.
    """
    import keras

    watchers = make_callbacks(train)
    network.fit(
        batches[0],
        validation_data=batches[1],
        epochs=train.max_epochs,
        initial_epoch=len(history["loss"]),
        shuffle=False,  # the batches shuffle themselves
        verbose=1 if sys.stdout.isatty() else 0,
        callbacks=[
            make_epoch_reporter(network, train.max_epochs, devices),
            *watchers,
            keras.callbacks.LambdaCallback(
                on_train_begin=lambda _: replay_callbacks(watchers, history, network),
                on_epoch_end=lambda _, logs: keep(logs),
            ),
            *([keras.callbacks.TensorBoard(board, write_graph=False)] if board else []),
        ],
    )


def compile_network(network, train, steps, devices=ONE_DEVICE):
    """Give the network the loss of the recipe, and its optimiser with its schedule, of `steps` an epoch, on devices."""
    import keras

    rate = train.learning_rate
    if train.schedule == "cosine":
        rate = build_cosine_schedule(rate, train.max_epochs * steps)
    options = {"global_clipnorm": devices.longest(train.clip_norm)}
    if train.optimizer == "adamax":
        optimizer = keras.optimizers.Adamax(rate, **options)
    else:
        optimizer = keras.optimizers.Adam(rate, amsgrad=train.optimizer == "amsgrad", **options)
    if (
        devices.precision == "mixed_float16"
    ):  # whose least number is 6e-8: gradients are scaled up to be seen
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    compiled = (
        "auto" if devices.worker is None else False
    )  # by XLA, which does not know the workers' sums
    at_once = (
        1 if devices.strategy else STEPS
    )  # TensorFlow fails where a step on several devices is inside a loop
    network.compile(
        devices.join(optimizer),
        LOSSES[train.loss],
        steps_per_execution=at_once,
        jit_compile=compiled,
    )


def make_callbacks(train):
    """Keras callbacks of the recipe's `train` section."""
    from keras.callbacks import EarlyStopping, ReduceLROnPlateau

    stop, reduce = train.early_stopping, train.reduce_lr
    found = [EarlyStopping(patience=stop.patience, min_delta=stop.min_delta)]
    if train.schedule == "plateau":
        found.append(
            ReduceLROnPlateau(
                factor=reduce.factor, patience=reduce.patience, min_delta=stop.min_delta
            )
        )
    return found


def make_epoch_reporter(model, max_epochs, devices):
    """A Keras callback: rate and seconds into the history, an end to diverged training, a line an epoch in a log.

    Losses are the workers' mean, so that all stop and slow down at the same epoch.
    """
    import keras

    line = "epoch {:3d}/{}  loss {loss:.5f}  validation {val_loss:.5f}  rate {learning_rate:.1e}  {seconds:.1f} s"
    last = time.monotonic()

    def report(epoch, logs):
        nonlocal last
        now = time.monotonic()
        logs["loss"], logs["val_loss"] = map(float, devices.mean([logs["loss"], logs["val_loss"]]))
        logs["learning_rate"] = float(keras.ops.convert_to_numpy(model.optimizer.learning_rate))
        logs["seconds"] = now - last
        last = now
        if not math.isfinite(logs["loss"]):
            model.stop_training = True
        if not sys.stdout.isatty():
            print(line.format(epoch + 1, max_epochs, **logs))

    return keras.callbacks.LambdaCallback(on_epoch_end=report)


def write_checkpoint(network, history, logs, folder, digest, devices=ONE_DEVICE):
    """Add an epoch's logs to the history; keep it, the weights with the optimiser's, and the best so far in `folder`."""
    import keras

    best = not history["val_loss"] or logs["val_loss"] < min(history["val_loss"])
    for key, values in history.items():
        values.append(float(logs[key]))
    if not devices.is_chief:
        return
    with replace_folder(folder / STATE) as tmp:
        with (tmp / LAST).open(
            "wb"
        ) as file:  # not HDF5, which ends the process where the disk is full
            np.savez(file, *map(keras.ops.convert_to_numpy, get_state_variables(network)))
        shutil.copy(tmp / LAST if best else folder / STATE / BEST, tmp / BEST)
        state = {"digest": digest, "ended": bool(network.stop_training), "history": history}
        (tmp / "history.json").write_text(json.dumps(state))
    with (folder / HISTORY).open("a", newline="") as file:
        csv.writer(file).writerow(
            [len(history["loss"]), *(values[-1] for values in history.values())]
        )


def get_state_variables(network):
    """Variables of a network with those of its random numbers and its optimiser."""
    return network.variables + network.optimizer.variables


def read_state(path):
    """The values of `state_of` in a file; ValueError or BadZipFile if it is damaged."""
    with np.load(path, allow_pickle=False) as packed:
        return [packed[name] for name in packed]


def assign_state(network, values):
    """Give a network the values of `state_of`."""
    for variable, value in zip(get_state_variables(network), values, strict=True):
        variable.assign(value)


def resume_training(network, folder, digest, devices=ONE_DEVICE):
    """History of a killed training of this very recipe, its weights put into the network, and whether it had ended.

    All as the chief has it.
    """
    devices.agree(digest)
    history, ended = (
        read_checkpoint(network, folder, digest)
        if devices.is_chief
        else ({key: [] for key in KEYS}, False)
    )
    done, ended = (int(one) for one in devices.from_chief([len(history["loss"]), ended]))
    if done:
        [values] = devices.from_chief(
            [np.array([history[key] or [0.0] * done for key in KEYS])]
        )  # (4, done)
        history = dict(zip(KEYS, np.asarray(values).tolist()))
        print(f"going on after epoch {done} of a training that was stopped")
    assign_from_chief(network.variables + network.optimizer.variables, devices)
    if devices.is_chief:
        if not done:
            remove_folder(folder)  # of another recipe
        folder.mkdir(parents=True, exist_ok=True)
        write_history(history, folder / HISTORY)
        print(f"a line an epoch: {folder / HISTORY}")
    return history, bool(ended)


def read_checkpoint(network, folder, digest):
    """The history in `folder` and whether it had ended, its weights put into the network; an empty one if there is none."""
    state = folder / STATE
    restore_folder(state)
    try:
        found = json.loads((state / "history.json").read_text())
        if found["digest"] == digest:
            read_state(state / BEST)
            assign_state(network, read_state(state / LAST))
            return found["history"], found["ended"]
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):  # there is none, or it is damaged
        pass
    return {key: [] for key in KEYS}, False


def assign_from_chief(variables, devices):
    """Give Keras variables the chief's values."""
    if devices.worker is not None:
        for variable, value in zip(
            variables, devices.from_chief([one.numpy() for one in variables])
        ):
            variable.assign(value)


def copy_tensorboard(folder, target):
    """Copy what the training in `folder` wrote for TensorBoard, if anything."""
    if (folder / TENSORBOARD).exists():
        shutil.copytree(folder / TENSORBOARD, target)


def replay_callbacks(watchers, history, network):
    """Bring callbacks to where they were after the epochs of a history; the network and its learning rate stay."""
    import keras

    rate = keras.ops.convert_to_numpy(network.optimizer.learning_rate)
    for epoch, loss in enumerate(history["val_loss"]):
        for watcher in watchers:
            watcher.on_epoch_end(epoch, {"val_loss": loss})
    if any(isinstance(watcher, keras.callbacks.ReduceLROnPlateau) for watcher in watchers):
        network.optimizer.learning_rate = float(rate)


def write_history(history, path):
    """Write {loss, val_loss, learning_rate, seconds: a number an epoch} as CSV."""
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["epoch", *history])
        table.writerows((i, *row) for i, row in enumerate(zip(*history.values()), start=1))
