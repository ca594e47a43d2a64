"""3_train: fit the network of the recipe to 2_prepared.h5, and keep model, scaling, history and config together."""

import contextlib
import csv
import math
import os
import shutil
import sys
import time
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from starlabels import config, h5io
from starlabels.cli import UserError, count
from starlabels.models import BUILDERS, start_keras


def run(cfg, args=None):
    """Train, save models/<run>/, draw the loss; UserError if the spectra are missing or stale, or training diverges."""
    from starlabels.plots import training as plots

    paths, digest = config.paths(cfg), config.digest(cfg, "3_train")
    source = h5io.open_stage(paths.prepared, "2_preprocess", config.digest(cfg, "2_preprocess"))
    with source as h5, replaced_folder(paths.model_dir) as folder:
        print(start_keras())
        model = build(cfg, h5["train/flux"].shape[1])
        size, n = count(model.count_params()), count(len(h5["train/flux"]))
        print(f"{model.name}: {size} parameters, {n} training spectra")
        start = time.monotonic()
        history = fit(model, cfg, h5)
        seconds = time.monotonic() - start
        save(folder, model, history, seconds, cfg, digest, h5)
    print(f"trained {len(history['loss'])} epochs in {seconds:.0f} s: {paths.model_dir}/model.keras")
    plots.loss(history, paths.figure_dir / "3_loss.png")


@contextlib.contextmanager
def replaced_folder(path):
    """A folder `<path>.tmp` to write into, that takes the place of `path` when the block ends without error."""
    tmp, old = (Path(f"{path}.{suffix}") for suffix in ("tmp", "old"))
    shutil.rmtree(tmp, ignore_errors=True)  # left by a killed run
    tmp.mkdir(parents=True)
    try:
        yield tmp
        shutil.rmtree(old, ignore_errors=True)
        with contextlib.suppress(FileNotFoundError):
            os.replace(path, old)  # a folder that is not empty cannot be replaced in one step
        os.replace(tmp, path)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(tmp, ignore_errors=True)


def build(cfg, n_pix):
    """The model of the recipe, all random draws seeded; UserError if its arguments do not go together."""
    import keras

    keras.utils.set_random_seed(cfg.seed)
    try:
        return BUILDERS[cfg.model.builder](n_pix, len(cfg.labels), **cfg.model.arguments)
    except ValueError as error:
        raise UserError(f"{cfg.path}: model: {' '.join(str(error).split())}") from None


def fit(model, cfg, h5):
    """Train on the open 2_prepared.h5; {loss, val_loss, learning_rate, seconds: per epoch}. UserError if it fails."""
    import keras

    train, validation = batches(cfg, h5, "train"), batches(cfg, h5, "validation")
    rate = cfg.train.learning_rate
    if cfg.train.schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(rate, decay_steps=cfg.train.max_epochs * len(train))
    model.compile(keras.optimizers.Adam(rate, amsgrad=cfg.train.amsgrad), loss="mse")
    history = model.fit(
        train,
        validation_data=validation,
        epochs=cfg.train.max_epochs,
        shuffle=False,  # the batches shuffle themselves
        verbose=1 if sys.stdout.isatty() else 0,
        callbacks=[epoch_reporter(model, cfg.train.max_epochs), *callbacks(cfg.train)],
    ).history
    if not math.isfinite(history["loss"][-1] + history["val_loss"][-1]):
        raise UserError(f"{cfg.path}: training diverged, the loss is not finite: lower train.learning_rate")
    return history


def batches(cfg, h5, part):
    """The SpectrumBatches of a part. Validation has the S/N distribution of training, but always the same noise."""
    from starlabels.data import SpectrumBatches, log_uniform
    from starlabels.labels import scale

    noise, group = cfg.train.noise, h5[part]
    target = scale(h5io.read_labels(group, cfg.labels), h5["scaling/mean"][:], h5["scaling/std"][:])
    draw_snr = log_uniform(noise.snr_min, noise.snr_max) if noise else None
    seed = (cfg.seed, *part.encode())
    return SpectrumBatches(group["flux"], target, cfg.train.batch_size, draw_snr, seed, training=part == "train")


def callbacks(train):
    """Keras callbacks of the recipe's `train` section."""
    from keras.callbacks import EarlyStopping, ReduceLROnPlateau

    stop, reduce = train.early_stopping, train.reduce_lr
    found = [
        EarlyStopping(patience=stop.patience, min_delta=stop.min_delta),
        # gains below min_delta may end the training, yet they are gains: a second one keeps the best weights of all
        EarlyStopping(patience=train.max_epochs, restore_best_weights=True),
    ]
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


def save(folder, model, history, seconds, cfg, digest, h5):
    """Write model.keras, scaling.h5 (moments of labels, wavelengths, train_seconds), history.csv and config.yaml."""
    import keras

    bare = keras.Model(model.inputs, model.outputs, name=model.name)  # without the optimiser: a third of the size
    bare.save(folder / "model.keras")
    with h5io.create(folder / "scaling.h5", "3_train", digest, cfg, {"2_prepared.h5": h5.attrs["digest"]}) as out:
        h5.copy("scaling", out)
        h5io.write_wave(out, h5io.read_wave(h5))
        out.attrs["train_seconds"] = seconds
    with (folder / "history.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["epoch", *history])
        table.writerows((i, *row) for i, row in enumerate(zip(*history.values()), start=1))
    (folder / "config.yaml").write_text(cfg.text, encoding="utf-8")


class Trained(NamedTuple):
    """What is stored beside a model: moments of the labels it learnt (n_labels,), seconds of training, digest."""

    mean: np.ndarray
    std: np.ndarray
    seconds: float
    digest: str


def load(cfg):
    """The model of the recipe and its Trained; UserError naming 3_train.py if it is missing, damaged or stale."""
    folder = config.paths(cfg).model_dir
    with h5io.open_stage(folder / "scaling.h5", "3_train", config.digest(cfg, "3_train")) as h5:
        mean, std = h5["scaling/mean"][:], h5["scaling/std"][:]
        trained = Trained(mean, std, float(h5.attrs["train_seconds"]), h5.attrs["digest"])
    print(start_keras())
    import keras

    try:
        return keras.models.load_model(folder / "model.keras", safe_mode=True), trained
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise UserError(f"{folder}/model.keras cannot be read: run python 3_train.py") from error
