"""3_train for target flux: train a generator, labels -> code -> flux, and save it."""

from starlabels.base import hdf5_labels
from starlabels.base.console import format_count
from starlabels.base.files import remove_folder, replace_folder
from starlabels.base.labels import scale_labels
from starlabels.learning import components, trained_model, training
from starlabels.learning.checkpoints import write_history
from starlabels.learning.devices import is_follower, start_devices
from starlabels.stages import locks, train_code


@locks.require_lock("lock", unless=lambda cfg: is_follower(cfg.train.devices))
def train_generator(run, args=None):
    """Train the generator of the recipe, save models/<run>/ and draw the loss.

    Raises
    ------
    UserError
        If the prepared spectra are missing or stale, or if the training diverges.
    """
    cfg, paths, digest = run.cfg, run.paths, run.digest("3_train")
    autoencoder_dir = paths.partial_dir.with_name(f"{cfg.run}.autoencoder.partial")
    histories = {}
    with run.open("2_preprocess") as h5:
        devices = start_devices(cfg.train)
        if cfg.autoencoder:
            code, histories["autoencoder"] = train_code.train_autoencoder_code(
                cfg, h5, autoencoder_dir, digest, devices
            )
        elif cfg.intrinsic:
            code = train_code.make_intrinsic_code(cfg, h5)
        else:
            code = train_code.make_component_code(components.read_basis(h5), cfg.labels)
        n_inputs, n_code = len(code.reads), len(code.mean)
        with devices.scope():
            network = training.build_network(
                cfg.model, cfg.seed, cfg.path, n_inputs, n_code, devices.precision
            )
        n_parameters = format_count(network.count_params())
        print(
            f"{cfg.model.builder}: {n_parameters} parameters, "
            f"{', '.join(code.reads)} to {n_code} numbers"
        )
        history = fit_code_network(network, code, cfg, h5, paths.partial_dir, digest, devices)
        histories["network"] = history
        if devices.is_chief:
            network = devices.to_one_device(
                network,
                lambda: training.build_network(cfg.model, cfg.seed, cfg.path, n_inputs, n_code),
            )
            folders = {"": paths.partial_dir, "autoencoder": autoencoder_dir}
            save_generator(network, code, histories, run, h5, digest, folders)
    devices.wait()


def save_generator(network, code, histories, run, h5, digest, folders):
    """Save models/<run>/ of a network that predicts a code, and draw the loss.

    folders: {name: partial folder of a training}; they are removed.
    """
    from starlabels.plots import training as plots

    cfg, paths = run.cfg, run.paths
    models = {"model": build_generator(network, code, cfg, h5)}
    if code.encoder:
        models["autoencoder"] = train_code.chain_models(code.encoder, code.decoder)
    tables = {"intrinsic": code.intrinsic and code.intrinsic.table}
    seconds = {name: sum(history["seconds"]) for name, history in histories.items()}
    total = sum(seconds.values())
    with replace_folder(paths.model_dir) as folder:
        trained_model.save_model(
            folder, models, tables, histories["network"], total, cfg, digest, h5
        )
        if cfg.autoencoder:
            write_history(histories["autoencoder"], folder / "autoencoder.csv")
        for name, source in folders.items():
            training.copy_tensorboard(source, folder / training.TENSORBOARD / name)
    for source in folders.values():
        remove_folder(source)
    with run.figures("3_loss*.png", {paths.model_dir: digest}) as figures:
        for name, history in histories.items():
            print(f"trained the {name}: {len(history['loss'])} epochs in {seconds[name]:.0f} s")
            suffix = "" if name == "network" else f"_{name}"
            plots.draw_loss(history, "mse", figures / f"3_loss{suffix}.png")
    print(f"{paths.model_dir}/model.keras")


def fit_code_network(network, code, cfg, h5, folder, digest, devices):
    """Train the network to predict the code of the open 2_prepared.h5; its history."""
    train, validation = (make_code_batches(code, cfg, h5, part) for part in ("train", "validation"))
    return training.train_network(
        network,
        cfg.train,
        train,
        validation,
        folder,
        digest,
        cfg.path,
        devices,
        cfg.train.tensorboard,
    )


def make_code_batches(code, cfg, h5, part):
    """Batches of scaled labels and scaled codes of a part of 2_prepared.h5."""
    from starlabels.learning.batches import SpectrumBatches, labels_to_spectra
    from starlabels.learning.noisy_spectra import PixelSpectra

    labels = hdf5_labels.read_labels(h5[part], cfg.labels)
    labels = scale_labels(labels, h5["scaling/mean"][:], h5["scaling/std"][:])
    labels = labels[:, [cfg.labels.index(name) for name in code.reads]]
    codes = PixelSpectra(((code.codes(h5[part]) - code.mean) / code.scale).astype("f4"))
    is_train = part == "train"
    passes = cfg.train.passes if is_train else 1
    seed = (cfg.seed, *part.encode())
    return SpectrumBatches(
        codes, labels, cfg.train.batch_size, None, seed, is_train, passes, labels_to_spectra
    )


def build_generator(network, code, cfg, h5):
    """The Keras model labels (n, n_labels), in physical units, to flux (n, n_pix).

    With an Intrinsic code the model predicts the code (n, n_code) of the intrinsic spectrum.
    """
    import keras

    # without the optimiser
    network = keras.Model(network.inputs, network.outputs[0], name=network.name)
    mean, std = h5["scaling/mean"][:], h5["scaling/std"][:]
    labels = keras.Input((len(mean),), name="labels")
    x = keras.layers.Normalization(mean=mean, variance=std**2)(labels)
    if code.reads != cfg.labels:
        x = keras.ops.take(x, [cfg.labels.index(name) for name in code.reads], axis=1)
    x = keras.layers.Normalization(mean=code.mean, variance=code.scale**2, invert=True)(network(x))
    return keras.Model(labels, code.decoder(x) if code.decoder else x, name="generator")
