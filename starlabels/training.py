"""3_train: fit the network of the recipe to 2_prepared.h5, and keep model, errors' calibration, history and config together."""

import json
import math
import shutil
import sys
import time

import numpy as np

from starlabels import calibration, components, config, guard, h5io, trained
from starlabels.cli import UserError, count
from starlabels.files import remove, replaced_folder
from starlabels.labels import lowest, scale
from starlabels.losses import LOSSES, OUTPUTS
from starlabels.models import BUILDERS, start_keras
from starlabels.schedules import cosine

LAST, BEST = "last.weights.h5", "best.weights.h5"  # files of a training that is under way
EVALUATED = 1024  # components in one batch of predictions
STEPS = 32  # between returns to Python: at each step they would cost a fifth of the time
DRAWS = 4  # of noise on each validation star: with one, errors of 6800 stars are calibrated half as well


def run(cfg, args=None):
    """Train, save models/<run>/, draw the loss; UserError if the spectra are missing or stale, or training diverges."""
    from starlabels.plots import training as plots

    paths, digest = config.paths(cfg), config.digest(cfg, "3_train")
    source = h5io.open_stage(paths.prepared, "2_preprocess", config.digest(cfg, "2_preprocess"))
    with source as h5:
        print(start_keras())
        basis = components.read(h5)
        network = build(cfg, h5, basis)
        size, n = count(network.count_params()), count(len(h5["train/labels"]))
        print(f"{cfg.model.builder}: {size} parameters, {n} training spectra")
        history = fit(network, cfg, h5, basis, paths.partial_dir, digest)
        start = time.monotonic()
        errors, watch = calibrate(network, cfg, h5, basis)
        seconds = {"train": sum(history["seconds"]), "calibrate": time.monotonic() - start}
        with replaced_folder(paths.model_dir) as folder:
            trained.save(folder, network, basis, history, seconds, errors, watch, cfg, digest, h5)
    remove(paths.partial_dir)
    spent = f"{len(history['loss'])} epochs in {seconds['train']:.0f} s, errors and flags in {seconds['calibrate']:.0f} s"
    print(f"trained {spent}: {paths.model_dir}/model.keras")
    plots.loss(history, cfg.train.loss, paths.figure_dir / "3_loss.png")


def build(cfg, h5, basis):
    """The network of the recipe, all random draws seeded; UserError if its arguments do not go together."""
    import keras

    keras.utils.set_random_seed(cfg.seed)
    n_inputs = len(basis.components) + basis.n_blocks if basis else h5["train/flux"].shape[1]
    try:
        network = BUILDERS[cfg.model.builder](n_inputs, OUTPUTS[cfg.train.loss] * len(cfg.labels), **cfg.model.arguments)
    except ValueError as error:
        raise UserError(f"{cfg.path}: model: {' '.join(str(error).split())}") from None
    if not basis:
        return network
    from starlabels.models.layers import Wiener

    noise, level = cfg.train.noise, float(h5["train/level"][:].mean())
    low, high = (noise.snr_min, noise.snr_max) if noise else (1e4, 1e4)
    wiener = Wiener(floor=level / high, reference=level / math.sqrt(low * high), n_blocks=basis.n_blocks, name="wiener")
    inputs = keras.Input((n_inputs,), name="components")
    outputs = network(wiener(inputs))
    wiener.set_weights([basis.variance])
    return keras.Model(inputs, outputs, name=network.name)


def fit(network, cfg, h5, basis, folder, digest):
    """Train on the open 2_prepared.h5, from where a killed training left `folder`; UserError if it diverges.

    {loss, val_loss, learning_rate, seconds: a list with a number an epoch}.
    """
    import keras

    train = batches(cfg, h5, basis, "train", cfg.train.passes)
    compile_network(network, cfg.train, steps=len(train))
    network.optimizer.build(network.trainable_variables)
    history, ended = resume(network, folder, digest)
    train.go_to(epoch=len(history["loss"]))
    watchers = callbacks(cfg.train)
    if not ended:
        network.fit(
            train,
            validation_data=batches(cfg, h5, basis, "validation"),
            epochs=cfg.train.max_epochs,
            initial_epoch=len(history["loss"]),
            shuffle=False,  # the batches shuffle themselves
            verbose=1 if sys.stdout.isatty() else 0,
            callbacks=[
                epoch_reporter(network, cfg.train.max_epochs),
                *watchers,
                keras.callbacks.LambdaCallback(
                    on_train_begin=lambda _: replay(watchers, history, network),
                    on_epoch_end=lambda _, logs: checkpoint(network, history, logs, folder, digest),
                ),
            ],
        )
    if not math.isfinite(history["loss"][-1] + history["val_loss"][-1]):
        remove(folder)
        raise UserError(f"{cfg.path}: training diverged, the loss is not finite: lower train.learning_rate")
    network.load_weights(folder / BEST)
    return history


def compile_network(network, train, steps):
    """Give the network the loss of the recipe, and Adam with its schedule, of `steps` an epoch."""
    import keras

    rate = train.learning_rate
    if train.schedule == "cosine":
        rate = cosine(rate, train.max_epochs * steps)
    adam = keras.optimizers.Adam(rate, amsgrad=train.amsgrad, global_clipnorm=train.clip_norm)
    network.compile(adam, loss=LOSSES[train.loss], steps_per_execution=STEPS)


def batches(cfg, h5, basis, part, passes=1):
    """The SpectrumBatches of a part. Validation has the S/N distribution of training, but always the same noise."""
    from starlabels.data import Components, Pixels, SpectrumBatches, log_uniform

    noise, group, training = cfg.train.noise, h5[part], part == "train"
    target = scale(h5io.read_labels(group, cfg.labels), h5["scaling/mean"][:], h5["scaling/std"][:])
    if basis:
        arrays = (group[name][:] for name in ("components", "outside", "level"))
        spectra = Components(*arrays, basis.n_left, noise.missing if noise else 0.0)
    else:
        spectra = Pixels(group["flux"])
    draw_snr = log_uniform(noise.snr_min, noise.snr_max) if noise else None
    seed = (cfg.seed, *part.encode())
    return SpectrumBatches(spectra, target, cfg.train.batch_size, draw_snr, seed, training, passes)


def calibrate(network, cfg, h5, basis):
    """Calibration of the errors and Guard of the labels, from validation stars in several draws of noise.

    None for the one if the network gives no errors, for the other also if it reads pixels.
    """
    if OUTPUTS[cfg.train.loss] == 1:
        return None, None
    found = batches(cfg, h5, basis, "validation", DRAWS)
    inputs = np.concatenate([found[i][0] for i in range(len(found))]) if basis else found
    mean, log_variance = np.split(network.predict(inputs, batch_size=EVALUATED if basis else None, verbose=0), 2, axis=1)
    errors = calibration.fit(np.tile(found.target, (DRAWS, 1)), mean, np.exp(0.5 * log_variance), found.snr)
    if not basis:
        return errors, None
    train = batches(cfg, h5, basis, "train")
    decoder = guard.train_decoder(train.target, train.spectra.components, basis.variance, cfg.seed)
    least = (lowest(cfg.labels) - h5["scaling/mean"][:]) / h5["scaling/std"][:]
    return errors, guard.fit(decoder, train.target, train.spectra.components, inputs, mean, least)


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
