"""Checks of files from elsewhere: content that would run code or read other files is refused.

HDF5 files with links to other files are refused when they are opened, see integrity.py. YAML is
read in safe mode by the configuration.
"""

import io
import json
import zipfile

import numpy as np

from starlabels.base import hdf5, integrity
from starlabels.base.errors import UserError

# Members of a .keras file; assets could be files to be read
MEMBERS = {"metadata.json", "config.json", "model.weights.h5"}
LAYERS = set(
    """
    Activation Add Average AveragePooling1D BatchNormalization Concatenate Conv1D Conv1DTranspose
    Dense Dropout EinsumDense Flatten GaussianNoise GlobalAveragePooling1D GlobalMaxPooling1D
    InputLayer LayerNormalization LeakyReLU MaxPooling1D MultiHeadAttention Multiply Normalization
    PReLU Permute ReLU RepeatVector Rescaling Reshape SeparableConv1D Softmax SpatialDropout1D
    Subtract UnitNormalization ZeroPadding1D
    """.split()
)
OWN_LAYERS = set(
    "Columns Components DropoutDense FilteredSpectrum Flagged Offset Passes Positive Still "
    "Wiener".split()
)
MODULES = (
    "keras.initializers",
    "keras.regularizers",
    "keras.constraints",
    "keras.src.ops.numpy",
    "keras.src.ops.nn",
    # Of a network that was saved inside another one as it was trained
    "keras.optimizers",
    "keras.optimizers.schedules",
)
MODELS = {
    ("keras", "DTypePolicy"),
    ("keras", "Functional"),
    ("keras.src.models.functional", "Functional"),
}
# Class names that Keras gives to plain values
DATA = {"__keras_tensor__", "__slice__", "__numpy__", "__tensor__", "__ellipsis__"}


def check_keras(path):
    """Check that a .keras file contains only plain layers of Keras and layers of this package.

    Keras's safe mode refuses some other files, depending on its version and with unclear messages.

    Raises
    ------
    UserError
        If the file names anything else, or its weights are in another file.
    OSError, ValueError, KeyError, BadZipFile
        If it is not a .keras file.
    """
    with zipfile.ZipFile(path) as file:
        if extra := sorted(set(file.namelist()) - MEMBERS):
            raise refusal_error(path, f"it has {extra[0]}")
        config = json.loads(file.read("config.json"))
        weights = io.BytesIO(file.read("model.weights.h5"))
    for entry in iterate_named(config):
        if not is_known(entry):
            module = str(entry.get("module") or "")[:40]
            raise refusal_error(path, f"it would run {module} {str(entry['class_name'])[:40]}")
    with hdf5.open_buffer(weights) as h5:
        integrity.check_links(h5, path)


def refusal_error(path, reason):
    """The error for a dangerous file; characters that would control a terminal are replaced."""
    reason = "".join(c if c.isprintable() else "?" for c in reason)
    return UserError(
        f"{path} is refused: {reason}, which no model of ours does: "
        "trust nothing else from the same source"
    )


def iterate_named(value):
    """Yield every mapping in nested values that names a class or function to be created."""
    if isinstance(value, dict):
        if "class_name" in value:
            yield value
        value = value.values()
    if isinstance(value, str) or not hasattr(value, "__iter__"):
        return
    for item in value:
        yield from iterate_named(item)


def is_known(entry):
    """True if a mapping names a plain layer, an array operation, a value, or one of our layers."""
    name = entry.get("class_name")
    module = entry.get("module")
    registered = entry.get("registered_name")
    if name is None or not all(isinstance(x, str | None) for x in (name, module, registered)):
        return False
    if name in DATA:
        return module is None
    if registered and registered.startswith("starlabels>"):
        return registered.removeprefix("starlabels>") in OWN_LAYERS and name in OWN_LAYERS
    is_plain = module == "keras.layers" and name in LAYERS or (module, name) in MODELS
    is_plain = is_plain or module in MODULES
    return registered in (None, name) and name[:1].isupper() and is_plain


def read_arrays(path):
    """Read the arrays {name: array} of an .npz file, or {"": array} of an .npy file.

    UserError if the file is damaged or contains Python objects.
    """
    try:
        data = np.load(path, allow_pickle=False)
        return dict(data) if isinstance(data, np.lib.npyio.NpzFile) else {"": data}
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        has_objects = "allow_pickle" in str(error)
        problem = "holds Python objects, which may run code" if has_objects else "is damaged"
        raise UserError(f"{path} {problem}: delete it and make it, or check it out, anew") from None
