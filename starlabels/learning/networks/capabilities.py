"""What the networks of a builder can read and give, and what a builder must be told."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Capabilities:
    """Capabilities of the networks of one builder.

    Attributes
    ----------
    passes : bool
        Dropout stays on, and predictions are the mean of Monte-Carlo passes.
    members : bool
        A network may be an ensemble, whose predictions are averaged.
    components : bool
        It may read principal components; otherwise only pixels, or features.
    wave : bool
        It needs wavelengths, so it cannot read a table alone.
    pixels_and_features : bool
        It reads pixels together with features of a table, in separate branches.
    compiles : bool
        A long training is faster if XLA compiles its steps, on a CPU too.
    context : tuple of str
        Parameters of the builder that describe the data, besides n_inputs and n_outputs: `labels`,
        `wave`, `windows`, `n_features`, `basis`. `training.build_network` passes them.
    """

    passes: bool = False
    members: bool = False
    components: bool = True
    wave: bool = False
    pixels_and_features: bool = False
    compiles: bool = False
    context: tuple[str, ...] = ()

    def is_ensemble(self, arguments):
        """True if a network with these arguments {name: value} has several members."""
        return self.members and arguments.get("members", 1) > 1

    def splits_errors(self, arguments):
        """True if its errors have two parts: scatter of passes or members, and predicted error."""
        return self.passes or self.is_ensemble(arguments)
