"""ONNX of a TensorFlow function by tf2onnx, with the operations of our networks that tf2onnx does not know."""

import logging
import warnings

import numpy as np

OPSET = 18
FLOAT, INT64 = 1, 7  # ONNX's numbers for types


def convert_to_onnx(function, signature, path):
    """Write the ONNX file of a tf.function of arrays; the onnx model."""
    import tf2onnx
    from keras.src.export.tf2onnx_lib import (
        patch_tf2onnx,
    )  # Keras's own export mends tf2onnx for numpy 2 by it

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
    """Give an ONNX graph the arrays that a tf.function holds, as Normalization has: tf2onnx asks the user for them."""
    from onnx import numpy_helper

    values = {
        inner.name: value for value, inner in function.graph.captures if value.dtype != "resource"
    }
    for one in [one for one in graph.input if one.name in values]:
        graph.input.remove(one)
        graph.initializer.append(numpy_helper.from_array(values[one.name].numpy(), one.name))


def replace_node(graph, node, kind, inputs, **attributes):
    """Put a node of that kind in the place of another one, in a graph of tf2onnx."""
    shapes, types = node.output_shapes, node.output_dtypes
    graph.remove_node(node.name)
    graph.make_node(
        kind, inputs, attributes, outputs=node.output, name=node.name, shapes=shapes, dtypes=types
    )


def convert_erfc(graph, node, name, _):
    """1 - erf(x), for gelu."""
    one = graph.make_const(f"{name}_one", np.array(1, "f4"))
    erf = graph.make_node("Erf", [node.input[0]])
    replace_node(graph, node, "Sub", [one.output[0], erf.output[0]])


def convert_where(graph, node, _, __):
    """One or the other; tf2onnx multiplies by 0 and 1 instead, and NaN times 0 is NaN."""
    replace_node(graph, node, "Where", node.input)


def make_random_handler(kind, **attributes):
    """A handler for random numbers of the shape that the first input gives: another sequence, of the same distribution."""

    def handler(graph, node, _, __):
        shape = graph.make_node("Cast", [node.input[0]], {"to": INT64})
        blank = graph.make_node("ConstantOfShape", [shape.output[0]])
        replace_node(graph, node, kind, [blank.output[0]], dtype=FLOAT, **attributes)

    return handler


HANDLERS = {
    "Erfc": convert_erfc,
    "SelectV2": convert_where,
    "StatelessRandomNormalV2": make_random_handler("RandomNormalLike", mean=0.0, scale=1.0),
    "StatelessRandomUniformV2": make_random_handler("RandomUniformLike", low=0.0, high=1.0),
}
