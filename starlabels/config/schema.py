"""The schema of config.yaml: every key with its range, unit and meaning."""

from typing import Annotated, Any, Literal

from pydantic import Field, PrivateAttr

from starlabels.base.ranges import File, Section, Text, integer_type, number_type
from starlabels.base.wavelengths import convert_medium
from starlabels.config.data_sections import Cluster, Features, Grid, Join, Preprocess, Range, Wave
from starlabels.config.fields import A, Name, SignalToNoise, setting
from starlabels.config.training_sections import Autoencoder, Intrinsic, Model, Train


class Test(Section):
    """Input of 4_test.py."""

    snr: list[Annotated[list[SignalToNoise], Field(min_length=2, max_length=2)]] = setting(
        "ranges [low, high], S/N uniform inside; a test without added noise is always made; "
        "[]: only that one, for spectra with noise of their own"
    )
    n_stars: integer_type(1, 100_000_000) | None = setting("test stars used; null: all")
    generator: File | None = setting(
        "models/<run> of a generator: test also on spectra that it makes from the test labels; "
        "null: none"
    )
    reference: dict[Text, Text] | None = setting(
        "{label: column} of other estimates to score too, such as {teff: teff_gspphot}",
        default=None,
    )
    refine: integer_type(1, 100_000_000) | None = setting(
        "test stars whose labels are also refined by a Gauss-Newton step on the nodes; null: none",
        default=None,
    )
    subsets: dict[Text, Text] | None = setting(
        "{name: condition on any labels} of test stars to score apart too, such as "
        '{hot: "teff > 8000 and logg > 3"}',
        default=None,
    )


class Jacobian(Section):
    """Input of jacobian.py."""

    n_stars: integer_type(1, 1_000_000) = setting("test stars over which Jacobians are averaged")
    lines: dict[Text, list[number_type(900, 60_000, A)]] = setting(
        "{name: wavelengths in air} of lines to name in figures; those outside `wave` are ignored",
        A,
    )
    subsets: dict[Text, Text] | None = setting(
        "{name: condition on any labels} of stars that are averaged and drawn apart; null: none",
        default=None,
    )


class Config(Section):
    """All settings of a run."""

    run: Name = setting("name of the run: sub-folder of data/, models/ and figures/")
    seed: integer_type(0, 2**32 - 1) = setting("seed of every random draw of every stage")
    wave: Wave | None = setting("wavelength grid of all spectra; null: the recipe reads tables")
    labels: list[Text] = setting(
        "labels that the network learns: teff logg mh vmic vsini, or any label of the databases",
        min_length=1,
    )
    target: Literal["labels", "flux"] = setting(
        "what the network gives: labels (from a flux) or flux (from labels: a generator)"
    )
    grid: Grid | None = setting("synthetic spectra that grid.py makes; null: none")
    # models trained before this section existed do not have it
    cluster: Cluster = setting(
        "dask workers that synthesise spectra", default=Cluster(scheduler=None, workers=2)
    )
    join: Join = setting("0_join.py: which files hold the stars")
    preprocess: Preprocess = setting("2_preprocess.py: split of the stars and their spectra")
    features: Features | None = setting(
        "columns that the network reads; null: none, only spectra", default=None
    )
    model: Model = setting("3_train.py: the network, a builder and its arguments")
    train: Train = setting("3_train.py: how the network is trained")
    autoencoder: Autoencoder | None = setting(
        "compression of spectra for target flux; null: none", default=None
    )
    intrinsic: Intrinsic | None = setting(
        "components without rotation and instrument for target flux; null: none", default=None
    )
    test: Test = setting("4_test.py: how the network is tested")
    jacobian: Jacobian | None = setting("jacobian.py: derivatives of the labels; null: none")
    _text: str = PrivateAttr("")
    _path: Any = PrivateAttr(None)

    @property
    def medium(self):
        """Medium of the wavelengths of the synthetic spectra, "air" or "vacuum"."""
        return (self.wave and self.wave.medium) or "air"

    def get_lines(self, medium):
        """{name: [wavelengths in A]} of the lines to name in figures, in a medium."""
        lines = self.jacobian.lines if self.jacobian else {}
        return {
            name: [float(convert_medium(wave, "air", medium)) for wave in waves]
            for name, waves in lines.items()
        }

    @property
    def text(self):
        """The complete configuration as YAML, with comments."""
        return self._text

    @property
    def path(self):
        """The file it was read from."""
        return self._path


def get_least_power(cfg):
    """Lowest resolving power of the spectra of a recipe with a grid."""
    power = cfg.grid.resolving_power
    least = cfg.grid.labels.get("resolving_power", power)
    return least.min if isinstance(least, Range) else float(least)


def has_own_noise(cfg):
    """Whether the stars are observed ones with their own noise, to which no test adds any."""
    return not (cfg.grid or cfg.test.snr)
