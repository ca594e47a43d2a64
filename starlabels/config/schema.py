"""The sections of config.yaml, key by key, with the ranges its comments promise."""

import difflib
import itertools
import math
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BeforeValidator, ConfigDict, Discriminator, Field, PrivateAttr, StrictBool, Tag

from starlabels.base.labels import LABELS
from starlabels.base.photometry import BANDS
from starlabels.base.ranges import (
    File,
    Query,
    Section,
    Text,
    parse_number,
    expected_error,
    integer_type,
    number_type,
    unknown_key_error,
)
from starlabels.learning.networks.arguments import Activation, Widths

A, KMS = "Angstrom", "km/s"
MOST_PIXELS = 1_000_000  # of a spectrum


def held(value):
    """The value a label is held at, where no range is given."""
    if not math.isfinite(parse_number(value)):
        raise expected_error("a number, {min, max} or {min, max, step}")
    return parse_number(value)


def spacing(value):
    """A spacing of nodes > 0, or an ascending list of nodes."""
    nodes = [parse_number(v) for v in value] if isinstance(value, list) else None
    if nodes and all(a < b for a, b in itertools.pairwise(nodes)) and np.isfinite(nodes).all():
        return nodes
    if nodes is None and 0 < parse_number(value) < math.inf:
        return parse_number(value)
    raise expected_error("a spacing > 0 or an ascending list of nodes")


def drawable(labels):
    """The labels of a grid; a key that is nearly one of ours is a slip of the pen, any other the user's own."""
    for name in labels if isinstance(labels, dict) else []:
        if name not in LABELS and difflib.get_close_matches(str(name).lower(), LABELS, n=1):
            raise unknown_key_error(name, LABELS)
    return labels


Name = Annotated[Text, Field(pattern=r"^[A-Za-z0-9_-]+$", max_length=100)]
Signal = number_type(0.1, 100_000)  # S/N


class Cluster(Section):
    scheduler: Text | None
    workers: integer_type(1, 256)


class Wave(Section):
    min: number_type(900, 60_000, A)
    max: number_type(900, 60_000, A)
    step: number_type(0.001, 10, A)

    @property
    def n_pix(self):
        """Number of pixels."""
        return round((self.max - self.min) / self.step)

    def grid(self):
        """Wavelengths (n_pix,) in Angstrom, max exclusive."""
        return self.min + self.step * np.arange(self.n_pix)


class Range(Section):
    min: number_type(-1e6, 1e6)
    max: number_type(-1e6, 1e6)
    step: number_type(1e-6, 1e6) | None = None
    power: number_type(0.1, 10) = 1


class Nodes(Section):
    library: File
    step: dict[Text, Annotated[Any, BeforeValidator(spacing)]]
    padding: integer_type(0, 2)
    atmosphere: File
    solar: StrictBool


Draw = Annotated[
    Annotated[Range, Tag("range")] | Annotated[float, BeforeValidator(held), Tag("number")],
    Discriminator(lambda value: "range" if isinstance(value, (dict, Range)) else "number"),
]


class Grid(Section):
    name: Name
    n_spectra: integer_type(10, 10_000_000)
    labels: Annotated[dict[Text, Draw], BeforeValidator(drawable), Field(min_length=1)]
    labels_csv: File | None
    resolving_power: number_type(500, 35_000)
    nodes: Nodes


Columns = dict[Text, Text]  # our name: their name


class Database(Section):
    path: File
    where: Query | None = None
    missing: dict[Text, dict[Text, list[integer_type(0, 23)]]] | None = None
    columns: Columns | None = None  # of a table; None: all numbers
    id: Text | None = None


class Positions(Section):
    """The columns of positions (deg) and of proper motions (mas/yr, that in right ascension times cos dec), and their epoch."""

    ra: Text
    dec: Text
    pmra: Text | None = None
    pmdec: Text | None = None
    epoch: number_type(1800, 2200, "years") = 2000.0


class SkyMatch(Positions):
    radius: number_type(0.001, 3600, "arcsec")
    to: Positions


class IdMatch(Section):
    id: Text
    to: Text


Match = Annotated[
    Annotated[SkyMatch, Tag("sky")] | Annotated[IdMatch, Tag("id")],
    Discriminator(
        lambda value: (
            "sky"
            if isinstance(value, SkyMatch) or (isinstance(value, dict) and "ra" in value)
            else "id"
        )
    ),
]


class Catalogue(Section):
    path: File
    match: Match
    columns: Columns | None = None
    duplicates: Literal["nearest", "first", "error"] = "nearest"


class Join(Section):
    databases: list[Database] = Field(min_length=1, max_length=255)
    catalogues: list[Catalogue] | None = None
    cuts: list[Query] | None = None
    resample: StrictBool


class Split(Section):
    train: number_type(0, 1)
    validation: number_type(0, 1)
    test: number_type(0, 1)
    column: Text | None = None


class Observed(Section):
    order: integer_type(0, 30)
    continuum_error: number_type(0, 0.2)
    line_error: number_type(0, 0.5)


class Preprocess(Section):
    split: Split
    chunk_rows: integer_type(16, 1_000_000)
    observed: Observed | None
    components: integer_type(2, 4000) | None
    blocks: integer_type(1, 200)


class Model(Section):
    """A builder and its keyword-only arguments, which config.load adds as fields."""

    builder: Text

    @property
    def arguments(self):
        """{name: value} to call the builder with."""
        return self.model_dump(exclude={"builder"})


class AnyModel(Model):
    """Of an unknown builder: only its name is wrong."""

    model_config = ConfigDict(extra="allow")


class ReduceLR(Section):
    factor: number_type(0.01, 0.99)
    patience: integer_type(1, 10_000, "epochs")


class EarlyStopping(Section):
    patience: integer_type(1, 10_000, "epochs")
    min_delta: number_type(0, 1)


class Noise(Section):
    snr_min: Signal
    snr_max: Signal
    missing: number_type(0, 1)


class Loop(Section):
    """How a network is trained."""

    batch_size: integer_type(1, 100_000)
    max_epochs: integer_type(1, 10_000)
    passes: integer_type(1, 10_000)
    loss: Literal["mse", "gaussian_nll", "parallax_nll"]
    learning_rate: number_type(1e-7, 1)
    optimizer: Literal["adam", "amsgrad", "adamax"]
    clip_norm: number_type(1e-3, 1e6) | None
    schedule: Literal["cosine", "plateau"]
    reduce_lr: ReduceLR
    early_stopping: EarlyStopping
    noise: Noise | None


class Train(Loop):
    """And on what, and what is written meanwhile: the same for all networks of a run."""

    devices: Literal["one", "all", "workers"] = "one"
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = "float32"
    tensorboard: StrictBool = False


class Autoencoder(Section):
    hidden: Widths
    code: integer_type(1, 4000)
    activation: Activation
    train: Loop


class Intrinsic(Section):
    components: integer_type(2, 4000)


KINDS = Literal[
    "apparent", "apparent_0", "absolute", "absolute_0", "colours", "colours_0"
]  # _0: without extinction


class Features(Section):
    magnitudes: dict[Text, Literal[tuple(BANDS)]]
    a_v: Text | None
    parallax: Text | None
    least_parallax: number_type(1e-4, 10, "mas")
    distance: Text | None
    give: list[KINDS]
    columns: list[Text]
    hidden: number_type(0, 0.9)


class Test(Section):
    snr: list[Annotated[list[Signal], Field(min_length=2, max_length=2)]]
    n_stars: integer_type(1, 100_000_000) | None
    generator: File | None
    reference: dict[Text, Text] | None = None


class Jacobian(Section):
    n_stars: integer_type(1, 1_000_000)
    lines: dict[Text, list[number_type(900, 60_000, A)]]


class Config(Section):
    run: Name
    seed: integer_type(0, 2**32 - 1)
    cluster: Cluster = Cluster(
        scheduler=None, workers=2
    )  # models made before there was the section lack it
    wave: Wave | None  # None: the recipe reads tables, no spectra
    labels: list[Text] = Field(min_length=1)
    target: Literal["labels", "flux"]
    grid: Grid | None
    join: Join
    preprocess: Preprocess
    model: Model  # config.load puts that of the builder here
    train: Train
    autoencoder: Autoencoder | None = None
    intrinsic: Intrinsic | None = None
    features: Features | None = None
    test: Test
    jacobian: Jacobian | None
    _text: str = PrivateAttr("")
    _path: Any = PrivateAttr(None)

    @property
    def lines(self):
        """{name: [wavelengths in A]} of the lines to name in figures."""
        return self.jacobian.lines if self.jacobian else {}

    @property
    def text(self):
        """The file as it was read, comments and all."""
        return self._text

    @property
    def path(self):
        """The file it was read from."""
        return self._path


def has_own_noise(cfg):
    """Whether spectra or tables are those of a survey, with noise of their own to which a test adds none."""
    return not (cfg.grid or cfg.test.snr)
