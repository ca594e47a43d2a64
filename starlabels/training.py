"""The loop of every training: epochs with their rate and time, early stopping, and a place to go on from after a kill."""

import inspect
import json
import math
import shutil
import sys
import time

from starlabels.cli import UserError
from starlabels.files import remove, replaced_folder
from starlabels.losses import LOSSES
from starlabels.models import BUILDERS
from starlabels.schedules import cosine

LAST, BEST = "last.weights.h5", "best.weights.h5"  # files of a training that is under way
STEPS = 32  # between returns to Python: at each step they would cost a fifth of the time


def build(cfg, n_inputs, n_outputs, **known):
    """The network of the recipe's section `model`, its random draws seeded; UserError if its arguments do not go together.

    known: what else a builder may ask for, such as wave; it takes the place of an argument of that name.
    """
    import keras

    keras.utils.set_random_seed(cfg.seed)
    builder = BUILDERS[cfg.model.builder]
    asked = {name: known[name] for name in inspect.signature(builder).parameters if name in known}
    try:
        return builder(n_inputs, n_outputs, **cfg.model.arguments | asked)
    except ValueError as error:
        raise UserError(f"{cfg.path}: model: {' '.join(str(error).split())}") from None


def fit(network, train, batches, validation, folder, digest, source):
    """Train on SpectrumBatches by the recipe's section `train`, from where a killed training left `folder`.

    {loss, val_loss, learning_rate, seconds: a list with a number an epoch}. UserError naming the file `source` of the recipe
    if it diverges.
    """
    import keras

    compile_network(network, train, steps=len(batches))
    network.optimizer.build(network.trainable_variables)
    history, ended = resume(network, folder, digest)
    batches.go_to(epoch=len(history["loss"]))
    watchers = callbacks(train)
    if not ended:
        network.fit(
            batches,
            validation_data=validation,
            epochs=train.max_epochs,
            initial_epoch=len(history["loss"]),
            shuffle=False,  # the batches shuffle themselves
            verbose=1 if sys.stdout.isatty() else 0,
            callbacks=[
                epoch_reporter(network, train.max_epochs),
                *watchers,
                keras.callbacks.LambdaCallback(
                    on_train_begin=lambda _: replay(watchers, history, network),
                    on_epoch_end=lambda _, logs: checkpoint(network, history, logs, folder, digest),
                ),
            ],
        )
    if not math.isfinite(history["loss"][-1] + history["val_loss"][-1]):
        remove(folder)
        raise UserError(f"{source}: training diverged, the loss is not finite: lower train.learning_rate")
    network.load_weights(folder / BEST)
    return history


def compile_network(network, train, steps):
    """Give the network the loss of the recipe, and its optimiser with its schedule, of `steps` an epoch."""
    import keras

    rate = train.learning_rate
    if train.schedule == "cosine":
        rate = cosine(rate, train.max_epochs * steps)
    options = {"global_clipnorm": train.clip_norm}
    if train.optimizer == "adamax":
        optimizer = keras.optimizers.Adamax(rate, **options)
    else:
        optimizer = keras.optimizers.Adam(rate, amsgrad=train.optimizer == "amsgrad", **options)
    network.compile(optimizer, loss=LOSSES[train.loss], steps_per_execution=STEPS)


def callbacks(train):
    """Keras callbacks of the recipe's `train` section."""
    from keras.callbacks import EarlyStopping, ReduceLROnPlateau

    stop, reduce = train.early_stopping, train.reduce_lr
    found = [EarlyStopping(patience=stop.patience, min_delta=stop.min_delta)]
    if train.schedule == "plateau":
        found.append(ReduceLROnPlateau(factor=reduce.factor, patience=reduce.patience, min_delta=stop.min_delta))
    return found


def epoch_reporter(model, max_epochs):
    """A Keras callback: rate and seconds into the history, an end to diverged training, a line an epoch in a log."""
    import keras

    line = "epoch {:3d}/{}  loss {loss:.5f}  validation {val_loss:.5f}  rate {learning_rate:.1e}  {seconds:.1f} s"
    last = time.monotonic()

    def report(epoch, logs):
        nonlocal last
        now = time.monotonic()
        logs["learning_rate"] = float(keras.ops.convert_to_numpy(model.optimizer.learning_rate))
        logs["seconds"] = now - last
        last = now
        if not math.isfinite(logs["loss"]):
            model.stop_training = True
        if not sys.stdout.isatty():
            print(line.format(epoch + 1, max_epochs, **logs))

    return keras.callbacks.LambdaCallback(on_epoch_end=report)


def checkpoint(network, history, logs, folder, digest):
    """Add an epoch's logs to the history; keep it, the weights with the optimiser's, and the best so far in `folder`."""
    best = not history["val_loss"] or logs["val_loss"] < min(history["val_loss"])
    for key, values in history.items():
        values.append(float(logs[key]))
    with replaced_folder(folder) as tmp:
        network.save_weights(tmp / LAST)
        shutil.copy(tmp / LAST if best else folder / BEST, tmp / BEST)
        state = {"digest": digest, "ended": bool(network.stop_training), "history": history}
        (tmp / "history.json").write_text(json.dumps(state))


def resume(network, folder, digest):
    """History of a killed training of this very recipe, its weights put into the network, and whether it had ended."""
    empty = {"loss": [], "val_loss": [], "learning_rate": [], "seconds": []}
    try:
        found = json.loads((folder / "history.json").read_text())
        if found["digest"] != digest:
            return empty, False
        network.load_weights(folder / LAST)
    except (OSError, ValueError, KeyError):
        return empty, False
    print(f"going on after epoch {len(found['history']['loss'])} of a training that was stopped")
    return found["history"], found["ended"]


def replay(watchers, history, network):
    """Bring callbacks to where they were after the epochs of a history; the network and its learning rate stay."""
    import keras

    rate = keras.ops.convert_to_numpy(network.optimizer.learning_rate)
    for epoch, loss in enumerate(history["val_loss"]):
        for watcher in watchers:
            watcher.on_epoch_end(epoch, {"val_loss": loss})
    if any(isinstance(watcher, keras.callbacks.ReduceLROnPlateau) for watcher in watchers):
        network.optimizer.learning_rate = float(rate)
