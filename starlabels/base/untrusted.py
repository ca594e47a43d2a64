"""What a file may not hold, for it would run code, or read other files, when it is loaded: such a file is refused.

HDF5 that points at other files is refused where it is opened, see links.py; YAML is read by config.py in safe mode.
"""

import ast
import io
import json
import re
import zipfile

import numpy as np

from starlabels.base import hdf5, integrity
from starlabels.base.errors import UserError

MEMBERS = {
    "metadata.json",
    "config.json",
    "model.weights.h5",
}  # of a .keras file; assets could be files to be read
LAYERS = {
    *(
        "Activation",
        "Add",
        "Average",
        "AveragePooling1D",
        "BatchNormalization",
        "Concatenate",
        "Conv1D",
        "Conv1DTranspose",
    ),
    *(
        "Dense",
        "Dropout",
        "EinsumDense",
        "Flatten",
        "GaussianNoise",
        "GlobalAveragePooling1D",
        "GlobalMaxPooling1D",
    ),
    *(
        "InputLayer",
        "LayerNormalization",
        "LeakyReLU",
        "MaxPooling1D",
        "MultiHeadAttention",
        "Multiply",
        "Normalization",
    ),
    *(
        "PReLU",
        "Permute",
        "ReLU",
        "RepeatVector",
        "Rescaling",
        "Reshape",
        "SeparableConv1D",
        "Softmax",
        "SpatialDropout1D",
    ),
    *("Subtract", "UnitNormalization", "ZeroPadding1D"),
}
MODULES = (
    "keras.initializers",
    "keras.regularizers",
    "keras.constraints",
    "keras.src.ops.numpy",
    "keras.src.ops.nn",
)
MODULES += (
    "keras.optimizers",
    "keras.optimizers.schedules",
)  # of a network that was saved inside another as it was trained
MODELS = {
    ("keras", "DTypePolicy"),
    ("keras", "Functional"),
    ("keras.src.models.functional", "Functional"),
}
DATA = {
    "__keras_tensor__",
    "__slice__",
    "__numpy__",
    "__tensor__",
    "__ellipsis__",
}  # Keras's own ways to write plain values
METHODS = {
    "isna",
    "notna",
    "isnull",
    "notnull",
    "between",
    "isin",
    "abs",
}  # that a condition on columns may call
FUNCTIONS = {
    "abs",
    "sqrt",
    "exp",
    "log",
    "log10",
    "log1p",
    "expm1",
    "sin",
    "cos",
    "tan",
    "floor",
    "ceil",
    "arctan2",
}


def check_keras(path):
    """UserError if a .keras file names anything but plain layers of Keras and our own, or has weights that lie elsewhere.

    OSError, ValueError, KeyError or BadZipFile if it is none. Keras's safe mode refuses some of these, by version, and says
    otherwise what to do.
    """
    with zipfile.ZipFile(path) as file:
        if more := sorted(set(file.namelist()) - MEMBERS):
            raise refusal_error(path, f"it has {more[0]}")
        config = json.loads(file.read("config.json"))
        weights = io.BytesIO(file.read("model.weights.h5"))
    for entry in iterate_named(config):
        if not is_known(entry):
            raise refusal_error(
                path,
                f"it would run {str(entry.get('module') or '')[:40]} {str(entry['class_name'])[:40]}",
            )
    with hdf5.open_buffer(weights) as h5:
        integrity.check_links(h5, path)


def refusal_error(path, why):
    """The error for a file that is dangerous; its text is repeated without what a terminal would obey."""
    why = "".join(c if c.isprintable() else "?" for c in why)
    return UserError(
        f"{path} is refused: {why}, which no model of ours does: trust nothing else from where it came"
    )


def iterate_named(value):
    """Every mapping in nested ones that names a class or a function to be made."""
    if isinstance(value, dict):
        if "class_name" in value:
            yield value
        value = value.values()
    for one in value if not isinstance(value, str) and hasattr(value, "__iter__") else ():
        yield from iterate_named(one)


def is_known(entry):
    """Whether a mapping names a plain layer, an operation on arrays, a value, or a layer of ours."""
    name, module, registered = (
        entry.get(key) for key in ("class_name", "module", "registered_name")
    )
    if not all(isinstance(one, str | None) for one in (name, module, registered)) or name is None:
        return False
    if name in DATA:
        return module is None
    if registered and registered.startswith("starlabels>"):
        return module.startswith("starlabels.") if module else False
    plain = module == "keras.layers" and name in LAYERS or (module, name) in MODELS
    return registered in (None, name) and name[:1].isupper() and (plain or module in MODULES)


def read_arrays(path):
    """{name: array} of an .npz file, {"": array} of an .npy file; UserError if it is damaged or holds Python objects."""
    try:
        found = np.load(path, allow_pickle=False)
        return dict(found) if isinstance(found, np.lib.npyio.NpzFile) else {"": found}
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        what = (
            "holds Python objects, which may run code"
            if "allow_pickle" in str(error)
            else "is damaged"
        )
        raise UserError(f"{path} {what}: take it out and make it, or check it out, anew") from None


def check_query(query):
    """ValueError if a pandas query does more than compare and calculate: any other could call all that Python can."""
    plain = re.sub(r"`[^`]*`", "column", query)
    if "@" in plain:
        raise ValueError("@ is not allowed")
    for node in ast.walk(ast.parse(plain.strip(), mode="eval")):
        if isinstance(node, ast.Attribute) and node.attr not in METHODS:
            raise ValueError(f".{node.attr} is not allowed, only .{', .'.join(sorted(METHODS))}")
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id not in FUNCTIONS
        ):
            raise ValueError(
                f"{node.func.id}() is not allowed, only {', '.join(sorted(FUNCTIONS))}"
            )
        if isinstance(node, ast.Call) and not isinstance(node.func, ast.Name | ast.Attribute):
            raise ValueError("calling what was calculated is not allowed")
