"""3_train: fit the network of the recipe to 2_prepared.h5, and keep model, errors' calibration, history and config together."""

import json
import math
import sys
import time

import numpy as np

from starlabels import calibration, components, config, guard, h5io, trained
from starlabels.cli import UserError, count
from starlabels.files import replaced_folder
from starlabels.labels import lowest, scale
from starlabels.losses import LOSSES, OUTPUTS
from starlabels.models import BUILDERS, start_keras

WARM_UP = 0.02  # of the steps of a cosine schedule
EVALUATED = 1024  # components in one batch of predictions
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
        errors, watch = calibrate(network, cfg, h5, basis)
        with replaced_folder(paths.model_dir) as folder:
            trained.save(folder, network, basis, history, errors, watch, cfg, digest, h5)
    trained.remove(paths.partial_dir)
    print(f"trained {len(history['loss'])} epochs in {sum(history['seconds']):.0f} s: {paths.model_dir}/model.keras")
    plots.loss(history, cfg.train.loss, paths.figure_dir / "3_loss.png")


def build(cfg, h5, basis):
    """The network of the recipe, all random draws seeded; UserError if its arguments do not go together."""
    import keras

    keras.utils.set_random_seed(cfg.seed)
    n_inputs = len(basis.components) + 1 if basis else h5["train/flux"].shape[1]
    try:
        network = BUILDERS[cfg.model.builder](n_inputs, OUTPUTS[cfg.train.loss] * len(cfg.labels), **cfg.model.arguments)
    except ValueError as error:
        raise UserError(f"{cfg.path}: model: {' '.join(str(error).split())}") from None
    if not basis:
        return network
    from starlabels.models.layers import Wiener

    noise, level = cfg.train.noise, float(h5["train/level"][:].mean())
    low, high = (noise.snr_min, noise.snr_max) if noise else (1e4, 1e4)
    wiener = Wiener(floor=level / high, reference=level / math.sqrt(low * high), name="wiener")
    inputs = keras.Input((n_inputs,), name="components")
    outputs = network(wiener(inputs))
    wiener.set_weights([basis.variance])
    return keras.Model(inputs, outputs, name=network.name)


def fit(network, cfg, h5, basis, folder, digest):
    """Train on the open 2_prepared.h5, from where a killed training left `folder`; UserError if it diverges.

    {loss, val_loss, learning_rate, seconds: a list with a number an epoch}.
    """
    import keras

    network.compile(optimizer(cfg.train, steps=epoch_steps(cfg, h5)), loss=LOSSES[cfg.train.loss])
    network.optimizer.build(network.trainable_variables)
    history = resume(network, folder, digest)
    done = len(history["loss"])
    network.fit(
        batches(cfg, h5, basis, "train", cfg.train.passes, epoch=done),
        validation_data=batches(cfg, h5, basis, "validation"),
        epochs=cfg.train.max_epochs,
        initial_epoch=done,
        shuffle=False,  # the batches shuffle themselves
        verbose=1 if sys.stdout.isatty() else 0,
        callbacks=[
            epoch_reporter(network, cfg.train.max_epochs),
            *callbacks(cfg.train),
            keras.callbacks.LambdaCallback(on_epoch_end=lambda _, logs: checkpoint(network, history, logs, folder, digest)),
        ],
    )
    if not math.isfinite(history["loss"][-1] + history["val_loss"][-1]):
        trained.remove(folder)
        raise UserError(f"{cfg.path}: training diverged, the loss is not finite: lower train.learning_rate")
    return history


def epoch_steps(cfg, h5):
    """Batches an epoch."""
    return math.ceil(len(h5["train/labels"]) * cfg.train.passes / cfg.train.batch_size)


def optimizer(train, steps):
    """Adam with the schedule of the recipe, of `steps` an epoch."""
    import keras

    rate = train.learning_rate
    if train.schedule == "cosine":
        warm_up = int(WARM_UP * train.max_epochs * steps)
        rate = keras.optimizers.schedules.CosineDecay(
            0.0, train.max_epochs * steps - warm_up, warmup_target=rate, warmup_steps=warm_up
        )
    return keras.optimizers.Adam(rate, amsgrad=train.amsgrad, global_clipnorm=train.clip_norm)


def batches(cfg, h5, basis, part, passes=1, epoch=0):
    """The SpectrumBatches of a part. Validation has the S/N distribution of training, but always the same noise."""
    from starlabels.data import Components, Pixels, SpectrumBatches, log_uniform

    noise, group, training = cfg.train.noise, h5[part], part == "train"
    target = scale(h5io.read_labels(group, cfg.labels), h5["scaling/mean"][:], h5["scaling/std"][:])
    if basis:
        spectra = Components(*(group[name][:] for name in ("components", "outside", "level")), basis.n_left)
    else:
        spectra = Pixels(group["flux"])
    draw_snr = log_uniform(noise.snr_min, noise.snr_max) if noise else None
    seed = (cfg.seed, *part.encode())
    return SpectrumBatches(spectra, target, cfg.train.batch_size, draw_snr, seed, training, passes, epoch)


def calibrate(network, cfg, h5, basis):
    """Calibration of the errors and Guard of the labels, from validation stars in several draws of noise.

    None for the one if the network gives no errors, for the other also if it reads pixels.
    """
    if OUTPUTS[cfg.train.loss] == 1:
        return None, None
    found = batches(cfg, h5, basis, "validation", DRAWS)
    inputs = np.concatenate([found[i][0] for i in range(len(found))]) if basis else found
    mean, log_variance = np.split(network.predict(inputs, batch_size=EVALUATED if basis else None, verbose=0), 2, axis=1)
    err = np.exp(0.5 * log_variance)
    errors = calibration.fit(np.tile(found.target, (DRAWS, 1)), mean, err, found.snr)
    if not basis:
        return errors, None
    train = batches(cfg, h5, basis, "train")
    decoder = guard.train_decoder(train.target, train.spectra.components, basis.variance, cfg.seed)
    least = (lowest(cfg.labels) - h5["scaling/mean"][:]) / h5["scaling/std"][:]
    return errors, guard.fit(decoder, train.target, train.spectra.components, inputs, mean, err, least)


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


def checkpoint(network, history, logs, folder, digest):
    """Add an epoch's logs to the history, and keep it with the weights and the optimiser in `folder`."""
    for key, values in history.items():
        values.append(float(logs[key]))
    with replaced_folder(folder) as tmp:
        network.save_weights(tmp / "network.weights.h5")
        (tmp / "history.json").write_text(json.dumps({"digest": digest, "history": history}))


def resume(network, folder, digest):
    """The history of a killed training of this very recipe, its weights put into the network; an empty one if none."""
    empty = {"loss": [], "val_loss": [], "learning_rate": [], "seconds": []}
    try:
        found = json.loads((folder / "history.json").read_text())
        if found["digest"] != digest:
            return empty
        network.load_weights(folder / "network.weights.h5")
    except (OSError, ValueError, KeyError):
        return empty
    print(f"going on after epoch {len(found['history']['loss'])} of a training that was stopped")
    return found["history"]
