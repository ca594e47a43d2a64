"""Conversion of a TensorFlow function to ONNX, with operations that tf2onnx does not support."""

import logging
import warnings

import numpy as np

OPSET = 18
FLOAT, INT64 = 1, 7  # ONNX's codes of types


def convert_to_onnx(function, signature, path):
    """Write the ONNX file of a tf.function of arrays, and return the onnx model."""
    import tf2onnx

    # the export of Keras uses it too, to fix tf2onnx for numpy 2
    from keras.src.export.tf2onnx_lib import patch_tf2onnx

    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        patch_tf2onnx()
        handlers = {name: (handler, []) for name, handler in HANDLERS.items()}
        model, _ = tf2onnx.convert.from_function(
            function, signature, OPSET, None, handlers, output_path=str(path)
        )
    keep_constants(model.graph, function.get_concrete_function())
    return model


def keep_constants(graph, function):
    """Store the arrays of a tf.function in an ONNX graph; tf2onnx would make them inputs."""
    from onnx import numpy_helper

    values = {
        inner.name: value for value, inner in function.graph.captures if value.dtype != "resource"
    }
    for tensor in [tensor for tensor in graph.input if tensor.name in values]:
        graph.input.remove(tensor)
        array = values[tensor.name].numpy()
        graph.initializer.append(numpy_helper.from_array(array, tensor.name))


def replace_node(graph, node, kind, inputs, **attributes):
    """Replace a node of a graph of tf2onnx by a node of another kind."""
    shapes = node.output_shapes
    types = node.output_dtypes
    graph.remove_node(node.name)
    graph.make_node(
        kind, inputs, attributes, outputs=node.output, name=node.name, shapes=shapes, dtypes=types
    )


def convert_erfc(graph, node, name, _):
    """Handle Erfc, of gelu, as 1 - erf(x)."""
    unity = graph.make_const(f"{name}_one", np.array(1, "f4"))
    erf = graph.make_node("Erf", [node.input[0]])
    replace_node(graph, node, "Sub", [unity.output[0], erf.output[0]])


def convert_where(graph, node, _, __):
    """Handle SelectV2 as Where; tf2onnx multiplies by 0 and 1 instead, and NaN times 0 is NaN."""
    replace_node(graph, node, "Where", node.input)


def make_random_handler(kind, **attributes):
    """Make a handler for random numbers of the shape in the first input.

    The exported graph draws another sequence of the same distribution.
    """

    def handle(graph, node, _, __):
        shape = graph.make_node("Cast", [node.input[0]], {"to": INT64})
        blank = graph.make_node("ConstantOfShape", [shape.output[0]])
        replace_node(graph, node, kind, [blank.output[0]], dtype=FLOAT, **attributes)

    return handle


HANDLERS = {
    "Erfc": convert_erfc,
    "SelectV2": convert_where,
    "StatelessRandomNormalV2": make_random_handler("RandomNormalLike", mean=0.0, scale=1.0),
    "StatelessRandomUniformV2": make_random_handler("RandomUniformLike", low=0.0, high=1.0),
}
