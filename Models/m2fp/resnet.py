"""ResNet (He et al. 2016) with the three-convolution stem of DeepLab."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from .layers import Conv2d

BLOCKS = {"resnet50": (3, 4, 6, 3), "resnet101": (3, 4, 23, 3)}


def _conv(inputs: int, outputs: int, size: int, stride: int = 1) -> Conv2d:
    conv = Conv2d(
        inputs, outputs, size, stride, padding=size // 2, bias=False, norm=nn.BatchNorm2d(outputs)
    )
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    return conv


class Stem(nn.Module):
    """Stride 4: three 3x3 convolutions, the first with stride 2, and a 3x3 max-pool."""

    def __init__(self, outputs: int = 128):
        super().__init__()
        self.conv1 = _conv(3, outputs // 2, 3, stride=2)
        self.conv2 = _conv(outputs // 2, outputs // 2, 3)
        self.conv3 = _conv(outputs // 2, outputs, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.conv1(x))
        x = F.relu(self.conv2(x))
        x = F.relu(self.conv3(x))
        return F.max_pool2d(x, kernel_size=3, stride=2, padding=1)


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 with a residual; a stride lies in the 3x3."""

    def __init__(self, inputs: int, width: int, stride: int):
        super().__init__()
        outputs = 4 * width
        self.conv1 = _conv(inputs, width, 1)
        self.conv2 = _conv(width, width, 3, stride)
        self.conv3 = _conv(width, outputs, 1)
        self.shortcut = _conv(inputs, outputs, 1, stride) if inputs != outputs else None

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.conv1(x))
        y = F.relu(self.conv2(y))
        y = self.conv3(y)
        return F.relu(y + (x if self.shortcut is None else self.shortcut(x)))


class ResNet(nn.Module):
    """Feature extractor: image (B, 3, H, W) to maps at strides 4, 8, 16 and 32."""

    channels = {"res2": 256, "res3": 512, "res4": 1024, "res5": 2048}

    def __init__(self, kind: str):
        super().__init__()
        self.stem = Stem()
        inputs = 128
        for index, count in enumerate(BLOCKS[kind]):
            width = 64 << index
            blocks = []
            for block in range(count):
                stride = 2 if block == 0 and index > 0 else 1
                blocks.append(Bottleneck(inputs, width, stride))
                inputs = 4 * width
            self.add_module(f"res{index + 2}", nn.Sequential(*blocks))

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        x = self.stem(x)
        features = {}
        for name in self.channels:
            x = features[name] = getattr(self, name)(x)
        return features
