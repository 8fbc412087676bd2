"""Makes small models with TensorFlow, and what they answer: a SavedModel with two signatures, a .keras and a .tflite file.

usage: tensorflow_models.py FOLDER. Beside NAME lie NAME.inputs and NAME.expected, a .npy a name.
"""

import os
import pathlib
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy
import tensorflow as tf


class Ranker(tf.Module):
    def __init__(self):
        super().__init__()
        self.first = tf.Variable(tf.random.normal([4, 16]))
        self.last = tf.Variable(tf.random.normal([16, 3]))

    @tf.function
    def rank(self, features, which):
        scores = tf.nn.relu(features @ self.first) @ self.last + tf.cast(which, tf.float32)[:, None]
        return {"scores": tf.nn.softmax(scores), "best": tf.argmax(scores, 1)}

    @tf.function
    def double(self, features):
        return {"twice": 2 * features}


class Unknown(tf.Module):
    """What tf2onnx cannot translate."""

    @tf.function
    def call(self, x):
        return {"y": tf.math.bessel_i0(x)}


def record(folder, name, inputs, outputs):
    for kind, values in (("inputs", inputs), ("expected", outputs)):
        (folder / (name + "." + kind)).mkdir(parents=True, exist_ok=True)
        for key, value in values.items():
            numpy.save(folder / (name + "." + kind) / (key + ".npy"), numpy.asarray(value))


def main(folder):
    tf.random.set_seed(7)
    ranker = Ranker()
    features, which = tf.TensorSpec([None, 4], tf.float32, name="features"), tf.TensorSpec([None], tf.int64, name="which")
    signatures = {"serving_default": ranker.rank.get_concrete_function(features, which), "double": ranker.double.get_concrete_function(features)}
    tf.saved_model.save(ranker, str(folder / "ranker"), signatures=signatures)
    rows = {"features": tf.random.normal([6, 4]), "which": tf.constant([0, 1, 2, 3, 4, 5], tf.int64)}
    record(folder, "ranker", rows, ranker.rank(**rows))

    unknown = Unknown()
    call = unknown.call.get_concrete_function(tf.TensorSpec([None], tf.float32, name="x"))
    tf.saved_model.save(unknown, str(folder / "unknown"), signatures=call)

    layers = tf.keras.layers
    picture = tf.keras.Sequential([tf.keras.Input((12, 12, 3), name="picture"), layers.Conv2D(8, 3, activation="relu"), layers.MaxPool2D(), layers.Flatten(), layers.Dense(5, activation="softmax")])
    picture.save(folder / "picture.keras")
    (folder / "picture.tflite").write_bytes(tf.lite.TFLiteConverter.from_keras_model(picture).convert())
    pictures = tf.random.normal([6, 12, 12, 3])
    record(folder, "picture", {"picture": pictures}, {"output_0": picture(pictures)})


main(pathlib.Path(sys.argv[1]))
