"""The encoder of m2fp-tiny: the trunk of EfficientNet-lite2, as plain modules.

Inverted residual blocks (Sandler et al. 2018, MobileNetV2) of EfficientNet's widths and depths (Tan
and Le 2019, table 1, scaled by 1.1 and 1.2), without its squeeze-and-excitation and with ReLU6 for
swish (Liu 2020, EfficientNet-Lite). BatchNorms are folded into the convolutions before them: what
ImageNet taught their statistics stays, and batches of renders cannot drag it away. Strided
convolutions are padded alike on both sides, where the published network pads only right and below:
its features move by half a pixel, and any size is exact without an operator for padding.

Run as a module to read the published weights once into a state dict::

    python3 -m m2fp.efficientnet_lite efficientnet-lite2-9656183e.pth encoder.pth
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .checkpoint import read_state_dict

STEM = 32
# Of each group of blocks: kernel, stride, expansion, width, depth.
STAGES = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 3),
    (5, 2, 6, 48, 3),
    (3, 2, 6, 88, 4),
    (5, 1, 6, 120, 4),
    (5, 2, 6, 208, 5),
    (3, 1, 6, 352, 1),
)
# The last stage of each stride, counted from zero.
OUTPUTS = {"res2": 1, "res3": 2, "res4": 4, "res5": 6}
EPSILON = 1e-3  # of the published BatchNorms


def conv(inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    """A convolution that keeps (or divides by its stride) the size of its input at any size."""
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups)


class InvertedResidual(nn.Module):
    """Expand, filter each channel, project; plus the input where shapes allow."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int):
        super().__init__()
        width = inputs * expansion
        self.expand = conv(inputs, width) if expansion > 1 else None
        self.depthwise = conv(width, width, kernel, stride, groups=width)
        self.project = conv(width, outputs)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y = x if self.expand is None else F.relu6(self.expand(x))
        y = self.project(F.relu6(self.depthwise(y)))
        return x + y if self.residual else y


class EfficientNetLite(nn.Module):
    """Normalised RGB (B, 3, H, W) with sides that are multiples of 32, to four feature maps.

    Returns
    -------
    dict of Tensor
        ``res2`` ... ``res5`` at strides 4, 8, 16 and 32; widths are in ``channels``.
    """

    def __init__(self):
        super().__init__()
        self.stem = conv(3, STEM, 3, stride=2)
        stages, inputs = [], STEM
        for kernel, stride, expansion, width, depth in STAGES:
            blocks = [InvertedResidual(inputs, width, kernel, stride, expansion)]
            for _ in range(depth - 1):
                blocks.append(InvertedResidual(width, width, kernel, 1, expansion))
            stages.append(nn.Sequential(*blocks))
            inputs = width
        self.stages = nn.ModuleList(stages)
        self.channels = {name: STAGES[stage][3] for name, stage in OUTPUTS.items()}

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        maps = []
        x = F.relu6(self.stem(image))
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return {name: maps[stage] for name, stage in OUTPUTS.items()}

    def up_to_stride_4(self) -> list[nn.Module]:
        """The modules that see edges and textures."""
        return [self.stem, *self.stages[: OUTPUTS["res2"] + 1]]

    def convolutions(self) -> Iterator[tuple[nn.Conv2d, str, str]]:
        """Each convolution with the published names of its weight and of its BatchNorm."""
        yield self.stem, "_conv_stem", "_bn0"
        blocks = [block for stage in self.stages for block in stage]
        for number, block in enumerate(blocks):
            prefix = f"_blocks.{number}."
            if block.expand is not None:
                yield block.expand, f"{prefix}_expand_conv", f"{prefix}_bn0"
            yield block.depthwise, f"{prefix}_depthwise_conv", f"{prefix}_bn1"
            yield block.project, f"{prefix}_project_conv", f"{prefix}_bn2"


@torch.no_grad()
def from_published(state: dict[str, Tensor]) -> EfficientNetLite:
    """An encoder with the published weights; ``ValueError`` if a shape does not fit."""
    encoder = EfficientNetLite()
    for module, weight, norm in encoder.convolutions():
        weight = state[f"{weight}.weight"]
        gain, shift, mean, variance = (
            state[f"{norm}.{name}"] for name in ("weight", "bias", "running_mean", "running_var")
        )
        if module.weight.shape != weight.shape:
            expected = tuple(module.weight.shape)
            raise ValueError(f"{norm}: weights {tuple(weight.shape)}, expected {expected}")
        gain = gain / (variance + EPSILON).sqrt()
        module.weight.copy_(weight * gain[:, None, None, None])
        module.bias.copy_(shift - mean * gain)
    return encoder


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit("usage: python3 -m m2fp.efficientnet_lite EFFICIENTNET_LITE2.pth STATE_DICT.pth")
    state = read_state_dict(Path(sys.argv[1]))
    torch.save(from_published(state).state_dict(), sys.argv[2])


if __name__ == "__main__":
    main()
