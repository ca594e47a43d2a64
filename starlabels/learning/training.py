"""Training of a network: building it within memory, compiling it, and running the epochs."""

import contextlib
import math
import shutil
import sys
from textwrap import shorten

from starlabels.base import memory
from starlabels.base.console import format_count
from starlabels.base.errors import UserError
from starlabels.base.files import remove_folder
from starlabels.learning import checkpoints, training_report
from starlabels.learning.callbacks import make_callbacks, make_epoch_reporter, replay_callbacks
from starlabels.learning.devices import ONE_DEVICE
from starlabels.learning.losses import LOSSES
from starlabels.learning.networks import BUILDERS, get_capabilities
from starlabels.learning.schedules import build_cosine_schedule

TENSORBOARD = "tensorboard"  # folder next to history.csv
WEIGHT_BYTES = 16  # a weight, its gradient and the two moments of Adam
XLA_STEPS = 1500  # of a training at least; a dense network is then 1.8 times as fast on a CPU
STEPS = 32  # between returns to Python: one at a time would cost 20 % of the time


def build_network(model, seed, recipe, n_inputs, n_outputs, precision="float32", **context):
    """Build the network of a recipe, with seeded random numbers.

    Parameters
    ----------
    model : Model
        Section `model` of the recipe: `builder` and `arguments` are used.
    seed : int
        Of the weights, and of the whole process.
    recipe : str or Path
        File of the recipe, for messages.
    n_inputs, n_outputs : int
    precision : str
        Keras's dtype policy of the layers; those that give the outputs stay float32.
    **context
        Description of the data, of which the builder gets what its Capabilities list. It takes the
        place of arguments of the same name.

    Returns
    -------
    keras.Model

    Raises
    ------
    UserError
        If the arguments do not fit together, or the weights do not fit into memory.
    """
    import keras

    keras.utils.set_random_seed(seed)
    builder = BUILDERS[model.builder]
    names = [name for name in get_capabilities(model.builder).context if name in context]
    arguments = model.arguments | {name: context[name] for name in names}
    try:
        with dtype_policy(precision):
            return build_within_memory(
                lambda: builder(n_inputs, n_outputs, **arguments), f"{recipe}: model"
            )
    except ValueError as error:
        message = shorten(" ".join(str(error).split()), 300)
        raise UserError(f"{recipe}: model: {message}") from None


def build_within_memory(build, where):
    """Call build(), and check that memory can hold the weights before they are made.

    Parameters
    ----------
    build : callable
        Gives a network, or a tuple of several.
    where : str
        File and section of the recipe, for messages.

    Returns
    -------
    keras.Model or tuple of keras.Model
        Output of build().

    Raises
    ------
    UserError
        If the weights do not fit into memory.
    """
    import keras

    try:
        with keras.StatelessScope(initialize_variables=False):  # shapes only
            built = build()
            networks = built if isinstance(built, tuple) else (built,)
            n = sum(network.count_params() for network in networks)
        memory.check_memory(
            n * WEIGHT_BYTES,
            f"{where}: {format_count(n)} weights in training",
            "make the network smaller",
        )
    except (ValueError, UserError):
        # otherwise the weights that wait would be made with those of the next network
        keras.utils.clear_session()
        raise
    with keras.StatelessScope():
        pass  # at its end Keras makes the weights that wait
    return built


@contextlib.contextmanager
def dtype_policy(name):
    """Context in which new Keras layers have that dtype policy."""
    import keras

    previous = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(previous)


def train_network(
    network,
    train,
    batches,
    validation,
    folder,
    digest,
    recipe,
    devices=ONE_DEVICE,
    tensorboard=False,
):
    """Train a network, or continue a training that was killed; it gets its best weights.

    Parameters
    ----------
    network : keras.Model, not compiled.
    train : section of the recipe: optimiser, loss, schedule, epochs and early stopping.
    batches, validation : SpectrumBatches
    folder : Path of the unfinished training, see `checkpoints`.
    digest : digest of the recipe and the spectra; a training of another digest is not continued.
    recipe : file of the recipe, for messages.
    devices : Devices
    tensorboard : bool, whether to write files for TensorBoard.

    Returns
    -------
    dict {loss, val_loss, learning_rate, seconds: one number per epoch}; UserError on divergence.
    """
    with devices.scope():
        compile_network(network, train, len(batches), devices)
        network.optimizer.build(network.trainable_variables)
        history, ended = checkpoints.resume_training(network, folder, digest, devices)
        batches.go_to(epoch=len(history["loss"]))
        share_batches(batches, validation, devices)
        if not ended:

            def keep(logs):
                checkpoints.write_checkpoint(network, history, logs, folder, digest, devices)

            board = folder / TENSORBOARD if tensorboard and devices.is_chief else None
            with devices.report_lost_worker():
                run_epochs(network, train, (batches, validation), history, keep, board, devices)
        check_convergence(history, folder, recipe, devices)
        if devices.is_chief:
            print_report(network, train, validation, history)
            best = checkpoints.read_state(folder / checkpoints.STATE / checkpoints.BEST)
            checkpoints.assign_state(network, best)
        checkpoints.assign_from_chief(network.variables, devices)
    return history


def print_report(network, train, validation, history):
    """Print how a training went, compared with predicting the mean."""
    n_outputs = network.outputs[0].shape[-1]
    constant_loss = training_report.compute_constant_loss(train.loss, validation, n_outputs)
    print(*training_report.describe_training(history, train, constant_loss), sep="\n")


def share_batches(batches, validation, devices):
    """Have each worker of a distributed training read its share of every batch."""
    batches.share = devices.share
    if devices.strategy:
        validation.share = devices.share  # workers each go through all of it
        # with more, Keras trains on batches that it has drawn to find their shape
        batches.workers = validation.workers = 1


def check_convergence(history, folder, recipe, devices):
    """Remove the folder of a training whose last loss is not finite, and raise a UserError."""
    if math.isfinite(history["loss"][-1] + history["val_loss"][-1]):
        return
    if devices.is_chief:
        remove_folder(folder)
    hint = "lower train.learning_rate"
    raise UserError(f"{recipe}: training diverged, the loss is not finite: {hint}")


def run_epochs(network, train, batches, history, keep, board, devices):
    """Run the epochs that the history lacks on (training, validation) batches.

    keep(logs) is called after each epoch. board is the folder for TensorBoard, or None.
    """
    import keras

    watchers = make_callbacks(train)
    callbacks = [
        make_epoch_reporter(network, train.max_epochs, devices),
        *watchers,
        keras.callbacks.LambdaCallback(
            on_train_begin=lambda _: replay_callbacks(watchers, history, network),
            on_epoch_end=lambda _, logs: keep(logs),
        ),
    ]
    if board:
        callbacks.append(keras.callbacks.TensorBoard(board, write_graph=False))
    network.fit(
        batches[0],
        validation_data=batches[1],
        epochs=train.max_epochs,
        initial_epoch=len(history["loss"]),
        shuffle=False,  # the batches shuffle themselves
        verbose=1 if sys.stdout.isatty() else 0,
        callbacks=callbacks,
    )


def compile_network(network, train, steps, devices=ONE_DEVICE):
    """Compile a network with the loss, optimiser and schedule of a recipe.

    Parameters
    ----------
    network : keras.Model
    train : Train
        Section of the recipe.
    steps : int
        Batches per epoch.
    devices : Devices
    """
    import keras

    rate = train.learning_rate
    if train.schedule == "cosine":
        rate = build_cosine_schedule(rate, train.max_epochs * steps)
    options = {"global_clipnorm": devices.scale_clip_norm(train.clip_norm)}
    if train.optimizer == "adamax":
        optimizer = keras.optimizers.Adamax(rate, **options)
    elif train.optimizer == "muon":
        optimizer = keras.optimizers.Muon(rate, **options)
    else:
        optimizer = keras.optimizers.Adam(rate, amsgrad=train.optimizer == "amsgrad", **options)
    if devices.precision == "mixed_float16":
        # its least number is 6e-8: gradients are scaled up to remain above it
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    network.compile(
        devices.share_gradients(optimizer),
        LOSSES[train.loss],
        # TensorFlow fails if a step on several devices is inside a loop
        steps_per_execution=1 if devices.strategy else STEPS,
        jit_compile=choose_compilation(network, train, steps, devices),
    )


def choose_compilation(network, train, steps, devices):
    """Keras's `jit_compile` of a network; arguments as of `compile_network`."""
    if devices.worker is not None:
        return False  # XLA does not support the workers' sums
    is_long = steps * train.max_epochs >= XLA_STEPS
    compiles = get_capabilities(network.name).compiles and not devices.strategy
    return True if compiles and is_long else "auto"


def copy_tensorboard(folder, target):
    """Copy the TensorBoard files of the training in a folder, if any, to a target folder."""
    if (folder / TENSORBOARD).exists():
        shutil.copytree(folder / TENSORBOARD, target)
