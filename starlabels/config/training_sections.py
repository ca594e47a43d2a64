"""Sections of the configuration about networks and their training."""

from typing import Literal

from pydantic import ConfigDict, StrictBool

from starlabels.base.ranges import Section, Text, integer_type, number_type
from starlabels.config.fields import SignalToNoise, setting
from starlabels.learning.networks.arguments import Activation, Widths


class Model(Section):
    """The network: a builder of starlabels.learning.networks and its keyword arguments."""

    builder: Text = setting("name of the builder of the network")

    @property
    def arguments(self):
        """{name: value} to call the builder with."""
        return self.model_dump(exclude={"builder"})


class AnyModel(Model):
    """Section of an unknown builder: only the builder's name is reported as a mistake."""

    model_config = ConfigDict(extra="allow")


class ReduceLR(Section):
    """Schedule "plateau": the learning rate is multiplied by `factor` when validation stalls."""

    factor: number_type(0.01, 0.99) = setting("factor applied to the learning rate")
    patience: integer_type(1, 10_000, "epochs") = setting(
        "epochs without improvement before that", "epochs"
    )


class EarlyStopping(Section):
    """Training stops when the validation loss no longer improves; the best weights are kept."""

    patience: integer_type(1, 10_000, "epochs") = setting(
        "epochs without improvement before training stops", "epochs"
    )
    min_delta: number_type(0, 1) = setting("smallest decrease of the loss that counts")


class Noise(Section):
    """Noise added to training spectra, drawn anew for every batch."""

    snr_min: SignalToNoise = setting("lowest S/N; the S/N is log-uniform")
    snr_max: SignalToNoise = setting("highest S/N")
    missing: number_type(0, 1) = setting("fraction of spectra in which blocks are missing")


class Loop(Section):
    """How a network is trained."""

    batch_size: integer_type(1, 100_000) = setting("spectra or stars per batch")
    max_epochs: integer_type(1, 10_000) = setting("most epochs")
    passes: integer_type(1, 10_000) = setting(
        "times that an epoch uses each training spectrum, with new noise"
    )
    loss: Literal["mse", "gaussian_nll", "parallax_nll"] = setting(
        "mse: labels without errors; gaussian_nll: labels and their errors; "
        "parallax_nll: the latter for the label fakemag, with parallax errors and zero point"
    )
    learning_rate: number_type(1e-7, 1) = setting("initial learning rate")
    optimizer: Literal["adam", "amsgrad", "adamax", "muon"] = setting(
        "optimiser; muon (orthogonalised momentum) needs a tenth of the epochs of adam here"
    )
    clip_norm: number_type(1e-3, 1e6) | None = setting(
        "largest norm of the gradient over all weights; null: no limit"
    )
    schedule: Literal["cosine", "plateau"] = setting(
        "cosine: from learning_rate to 0 over max_epochs; plateau: reduced when validation stalls"
    )
    reduce_lr: ReduceLR = setting("used only by schedule plateau")
    early_stopping: EarlyStopping = setting(
        "when training stops early; a stopped cosine never reaches its low learning rates"
    )
    noise: Noise | None = setting("noise added to training spectra; null: none")


class Train(Loop):
    """Training of the network of the run, the devices it uses, and TensorBoard."""

    devices: Literal["one", "all", "workers"] = setting(
        "one; all: every GPU of this machine; workers: one process per machine of TF_CONFIG, "
        "see starlabels/learning/devices.py",
        default="one",
    )
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = setting(
        "precision during training; the mixed ones are faster on a GPU only", default="float32"
    )
    tensorboard: StrictBool = setting(
        "true: write models/<run>/tensorboard, and models/<run>.partial/tensorboard during "
        "training",
        default=False,
    )


class Autoencoder(Section):
    """Compression of spectra for target flux; trained first, then the network gives its code."""

    hidden: Widths = setting("layers of the encoder; the decoder mirrors them")
    code: integer_type(1, 4000) = setting("number of values of the code")
    activation: Activation = setting("activation of the hidden layers")
    train: Loop = setting("how the autoencoder is trained")


class Intrinsic(Section):
    """For target flux: components of spectra before rotation and instrument, which formulas add."""

    components: integer_type(2, 4000) = setting("number of principal components")
