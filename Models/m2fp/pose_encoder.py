"""The encoder of m2fp-tiny: the trunk and decoder of MediaPipe's pose network, as plain modules.

Architecture read from ``pose_landmark_full.tflite`` (MediaPipe 0.10.14, Apache-2.0; Bazarevsky et
al. 2020, BlazePose): inverted residual blocks (Sandler et al. 2018, MobileNetV2) at strides 2 to
32, then a 48-channel feature pyramid down to stride 4. The network's landmark and segmentation
heads are left out. Its BatchNorms were folded when MediaPipe converted it, so there are none.

Each scale gives the trunk's features and the pyramid's side by side: the trunk's are what the
network saw, the pyramid's are what it concluded about bodies.

Run as a module to read the published weights once into a state dict::

    python3 -m m2fp.pose_encoder pose_landmark_full.tflite pose_encoder.pth
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def conv(inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    """A convolution that keeps (or divides by its stride) the size of its input at any size."""
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups)


class InvertedResidual(nn.Module):
    """Expand, filter each channel, project; plus the input where shapes allow."""

    def __init__(self, inputs: int, width: int, outputs: int, kernel: int, stride: int = 1):
        super().__init__()
        self.expand = conv(inputs, width)
        self.depthwise = conv(width, width, kernel, stride, groups=width)
        self.project = conv(width, outputs)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu6(self.depthwise(F.relu6(self.expand(x))))
        y = self.project(y)
        return x + y if self.residual else y


class Lateral(nn.Module):
    """Separable convolutions from a trunk's features to the pyramid's width."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.depthwise = conv(inputs, inputs, 3, groups=inputs)
        self.project = conv(inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu6(self.project(F.relu6(self.depthwise(x))))


class Top(nn.Module):
    """The deepest level's way into the pyramid: two depthwise filters at the expanded width."""

    def __init__(self, inputs: int, width: int, outputs: int):
        super().__init__()
        self.expand = conv(inputs, width)
        self.depthwise = conv(width, width, 3, groups=width)
        self.lateral = Lateral(width, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.lateral(F.relu6(self.depthwise(F.relu6(self.expand(x)))))


class PoseEncoder(nn.Module):
    """RGB in [0, 1], (B, 3, H, W) with sides that are multiples of 32, to four feature maps.

    Returns
    -------
    dict of Tensor
        ``res2`` ... ``res5`` at strides 4, 8, 16 and 32; widths are in ``channels``.
    """

    PYRAMID = 48

    def __init__(self):
        super().__init__()
        self.stem = conv(3, 24, 3, stride=2)
        self.stem_depthwise = conv(24, 24, 3, groups=24)
        self.stem_project = conv(24, 16)
        block = InvertedResidual
        self.stage2 = nn.Sequential(block(16, 64, 24, 3, 2), block(24, 144, 24, 3))
        self.stage3 = nn.Sequential(block(24, 144, 32, 5, 2), block(32, 192, 32, 5))
        self.stage4 = nn.Sequential(
            block(32, 192, 64, 3, 2),
            block(64, 384, 64, 3),
            block(64, 384, 64, 3),
            block(64, 384, 88, 5),
            block(88, 528, 88, 5),
            block(88, 528, 88, 5),
        )
        self.stage5 = nn.Sequential(
            block(88, 528, 144, 5, 2), *(block(144, 864, 144, 5) for _ in range(3))
        )
        self.top = Top(144, 864, self.PYRAMID)
        self.lateral4 = Lateral(88, self.PYRAMID)
        self.lateral3 = Lateral(32, self.PYRAMID)
        self.lateral2 = Lateral(24, self.PYRAMID)
        trunk = {"res2": 24, "res3": 32, "res4": 88, "res5": 144}
        self.channels = {name: width + self.PYRAMID for name, width in trunk.items()}

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        x = F.relu6(self.stem_depthwise(F.relu6(self.stem(image))))
        x2 = self.stage2(self.stem_project(x))
        x3 = self.stage3(x2)
        x4 = self.stage4(x3)
        x5 = self.stage5(x4)
        p5 = self.top(x5)
        p4 = self.lateral4(x4) + double(p5)
        p3 = self.lateral3(x3) + double(p4)
        p2 = self.lateral2(x2) + double(p3)
        levels = {"res2": (x2, p2), "res3": (x3, p3), "res4": (x4, p4), "res5": (x5, p5)}
        return {name: torch.cat(maps, dim=1) for name, maps in levels.items()}

    def convolutions(self) -> Iterator[nn.Conv2d | None]:
        """The convolutions in the order in which the published graph runs them.

        The graph interleaves a level's lateral with the stage below it: after the first
        expansion of the next stage, which reads the same features. None stands for the two of
        the stride-2 lateral, which serves a head that is left out.
        """
        yield from (self.stem, self.stem_depthwise, self.stem_project)
        stages = (self.stage2, self.stage3, self.stage4, self.stage5)
        laterals = (None, self.lateral2, self.lateral3, self.lateral4)
        for stage, lateral in zip(stages, laterals):
            for block in stage:
                yield block.expand
                if block is stage[0]:
                    yield from (lateral.depthwise, lateral.project) if lateral else (None, None)
                yield from (block.depthwise, block.project)
        yield from (self.top.expand, self.top.depthwise)
        yield from (self.top.lateral.depthwise, self.top.lateral.project)


def read_tflite(path: str) -> Iterator[tuple[Tensor, Tensor]]:
    """Weight (O, I / groups, H, W) and bias (O,) of each convolution of a tflite file, in order.

    Needs the PyPI package ``tflite``. Weights are stored in half precision and widened here.
    """
    import numpy as np
    import tflite

    with open(path, "rb") as file:
        model = tflite.Model.GetRootAsModel(file.read(), 0)
    graph = model.Subgraphs(0)
    types = {tflite.TensorType.FLOAT32: np.float32, tflite.TensorType.FLOAT16: np.float16}
    stored_in = {}

    def constant(index: int) -> np.ndarray:
        tensor = graph.Tensors(stored_in.get(index, index))
        raw = model.Buffers(tensor.Buffer()).DataAsNumpy().tobytes()
        values = np.frombuffer(raw, types[tensor.Type()]).astype(np.float32)
        return values.reshape(tensor.ShapeAsNumpy())

    for position in range(graph.OperatorsLength()):
        operator = graph.Operators(position)
        code = model.OperatorCodes(operator.OpcodeIndex())
        # Files of before and after schema 3a keep the kind of operator in different fields.
        kind = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        inputs = operator.InputsAsNumpy()
        if kind == tflite.BuiltinOperator.DEQUANTIZE:
            stored_in[operator.OutputsAsNumpy()[0]] = inputs[0]
        elif kind == tflite.BuiltinOperator.CONV_2D:  # O, H, W, I
            weight, bias = constant(inputs[1]), constant(inputs[2])
            yield torch.from_numpy(weight.transpose(0, 3, 1, 2).copy()), torch.from_numpy(bias)
        elif kind == tflite.BuiltinOperator.DEPTHWISE_CONV_2D:  # 1, H, W, O
            weight, bias = constant(inputs[1]), constant(inputs[2])
            yield torch.from_numpy(weight.transpose(3, 0, 1, 2).copy()), torch.from_numpy(bias)


def double(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)


@torch.no_grad()
def from_tflite(path: str) -> PoseEncoder:
    """A ``PoseEncoder`` with the published weights; ``ValueError`` if a shape does not fit."""
    encoder = PoseEncoder()
    # The file's later convolutions belong to the heads that are left out.
    for position, (module, (weight, bias)) in enumerate(
        zip(encoder.convolutions(), read_tflite(path))
    ):
        if module is None:
            continue
        if module.weight.shape != weight.shape:
            expected = tuple(module.weight.shape)
            raise ValueError(f"convolution {position}: {tuple(weight.shape)}, expected {expected}")
        module.weight.copy_(weight)
        module.bias.copy_(bias)
    return encoder


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit("usage: python3 -m m2fp.pose_encoder POSE_LANDMARK_FULL.tflite STATE_DICT.pth")
    torch.save(from_tflite(sys.argv[1]).state_dict(), sys.argv[2])


if __name__ == "__main__":
    main()
