"""Keras callbacks of a training: early stopping, reduction of the rate, and a line per epoch."""

import math
import sys
import time


def make_callbacks(train):
    """Keras callbacks of a section `train`: early stopping, and reduction of the rate."""
    from keras.callbacks import EarlyStopping, ReduceLROnPlateau

    stop = train.early_stopping
    reduce = train.reduce_lr
    callbacks = [EarlyStopping(patience=stop.patience, min_delta=stop.min_delta)]
    if train.schedule == "plateau":
        callbacks.append(
            ReduceLROnPlateau(
                factor=reduce.factor, patience=reduce.patience, min_delta=stop.min_delta
            )
        )
    return callbacks


def make_epoch_reporter(network, max_epochs, devices):
    """Keras callback: adds rate and seconds to the logs, stops diverged training, prints a line.

    Losses are the workers' mean, so that all stop and slow down at the same epoch.
    """
    import keras

    line = (
        "epoch {:3d}/{}  loss {loss:.5f}  validation {val_loss:.5f}  "
        "rate {learning_rate:.1e}  {seconds:.1f} s"
    )
    last = time.monotonic()

    def report(epoch, logs):
        nonlocal last
        now = time.monotonic()
        losses = devices.average([logs["loss"], logs["val_loss"]])
        logs["loss"], logs["val_loss"] = map(float, losses)
        logs["learning_rate"] = float(keras.ops.convert_to_numpy(network.optimizer.learning_rate))
        logs["seconds"] = now - last
        last = now
        if not math.isfinite(logs["loss"]):
            network.stop_training = True
        if not sys.stdout.isatty():
            print(line.format(epoch + 1, max_epochs, **logs))

    return keras.callbacks.LambdaCallback(on_epoch_end=report)


def replay_callbacks(watchers, history, network):
    """Bring callbacks to their state after the epochs of a history; the network is unchanged."""
    import keras

    rate = keras.ops.convert_to_numpy(network.optimizer.learning_rate)
    for epoch, loss in enumerate(history["val_loss"]):
        for watcher in watchers:
            watcher.on_epoch_end(epoch, {"val_loss": loss})
    if any(isinstance(watcher, keras.callbacks.ReduceLROnPlateau) for watcher in watchers):
        network.optimizer.learning_rate = float(rate)
