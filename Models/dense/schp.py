"""SCHP (Li et al., TPAMI 2020), which is A-CE2P (Liu et al., 2019) trained in its own way: a
dilated ResNet-101, pooled context, a branch for edges, and a fusion of both.

Parameters have the names of the published checkpoints, so that these load as they are. These hold
two branches more than inference needs: logits without the edges, and the edges themselves.
"""

from __future__ import annotations

import dataclasses

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from m2fp import contract

STRIDE = 4
# Of the published weights: side of the input, and classes in the order of the logits.
SIZES = {"cihp": 473, "lip": 473, "atr": 512, "pascal": 512}
CLASSES = {
    "cihp": tuple(contract.CLASSES["cihp"]),
    "lip": tuple(contract.CLASSES["lip"]),
    "atr": (
        "Background", "Hat", "Hair", "Sunglasses", "Upper-clothes", "Skirt", "Pants", "Dress",
        "Belt", "Left-shoe", "Right-shoe", "Face", "Left-leg", "Right-leg", "Left-arm",
        "Right-arm", "Bag", "Scarf",
    ),
    "pascal": (
        "Background", "Head", "Torso", "Upper-arm", "Lower-arm", "Upper-leg", "Lower-leg",
    ),
}  # fmt: skip
# Sides of the maps that context is pooled to.
POOLED = (1, 2, 3, 6)


@dataclasses.dataclass(frozen=True)
class Config:
    """Depths of the four stages, and widths: of the stem, of a block's middle in the first stage,
    of the context, of the branches, and of what the decoder takes from the first stage."""

    blocks: tuple[int, int, int, int] = (3, 4, 23, 3)
    stem: int = 64
    width: int = 64
    context: int = 512
    branch: int = 256
    detail: int = 48


CONFIG = Config()


class InPlaceNorm(nn.BatchNorm2d):
    """In-place activated BatchNorm (Rota Bulò et al., CVPR 2018): of the factor its size counts,
    which ε keeps from 0, and LeakyReLU follows if there is a slope."""

    def __init__(self, channels: int, slope: float | None = 0.01):
        super().__init__(channels)
        self.slope = slope

    def forward(self, x: Tensor) -> Tensor:
        factor = self.weight.abs() + self.eps
        x = F.batch_norm(x, self.running_mean, self.running_var, factor, self.bias, eps=self.eps)
        return x if self.slope is None else F.leaky_relu(x, self.slope)


def conv_norm(inputs: int, outputs: int, kernel: int = 1) -> list[nn.Module]:
    """A convolution and the norm behind it, as layers of a sequence."""
    conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
    return [conv, InPlaceNorm(outputs)]


def resize(x: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(x, size=like.shape[2:], mode="bilinear", align_corners=True)


class Bottleneck(nn.Module):
    """1×1, 3×3 (with the step and the dilation), 1×1, and a shortcut."""

    def __init__(self, inputs: int, width: int, step: int, dilation: int):
        super().__init__()
        outputs = 4 * width
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = InPlaceNorm(width, slope=None)
        self.conv2 = nn.Conv2d(
            width, width, 3, step, padding=dilation, dilation=dilation, bias=False
        )
        self.bn2 = InPlaceNorm(width, slope=None)
        self.conv3 = nn.Conv2d(width, outputs, 1, bias=False)
        self.bn3 = InPlaceNorm(outputs, slope=None)
        self.downsample = None
        if step != 1 or inputs != outputs:
            shortcut = nn.Conv2d(inputs, outputs, 1, step, bias=False)
            self.downsample = nn.Sequential(shortcut, InPlaceNorm(outputs, slope=None))

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


def kernel_views(side: int, height: int, width: int) -> Tensor:
    """What a 3×3 kernel sees of a side × side map that is enlarged: a row for each of height × width
    places, and in it the share of each cell of the map and place of the kernel."""
    cells = torch.eye(side * side).reshape(-1, 1, side, side)
    shares = F.interpolate(cells, size=(height, width), mode="bilinear", align_corners=True)
    return F.unfold(shares, 3, padding=1).permute(2, 0, 1).flatten(1)


class Context(nn.Module):
    """A map with what it holds on average, in the whole and in parts (PSPNet, Zhao et al., CVPR
    2017).

    The paper enlarges the averages and lays them beside the map before a convolution. That is
    linear, and averages are of few cells: convolved first, as each place of the kernel sees them,
    they save almost half of the convolution's operations.
    """

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.stages = nn.ModuleList(
            nn.Sequential(nn.AdaptiveAvgPool2d(side), *conv_norm(inputs, outputs))
            for side in POOLED
        )
        wide = inputs + len(POOLED) * outputs
        self.bottleneck = nn.Sequential(*conv_norm(wide, outputs, 3))

    def forward(self, x: Tensor) -> Tensor:
        # Numbers, so that an archive holds the views as they are.
        height, width = map(int, x.shape[2:])
        conv, norm = self.bottleneck
        outputs = conv.out_channels
        seen, views = [], []
        for index, (stage, side) in enumerate(zip(self.stages, POOLED)):
            cells = stage(x).flatten(2)[0].transpose(0, 1)
            weight = conv.weight[:, index * outputs : (index + 1) * outputs]
            matrix = weight.flatten(2).permute(2, 0, 1).flatten(0, 1)
            # Of each cell and each place of the kernel.
            seen.append(F.linear(cells, matrix).unflatten(1, (9, outputs)).flatten(0, 1))
            views.append(kernel_views(side, height, width))
        context = F.linear(torch.cat(seen).transpose(0, 1), torch.cat(views, dim=1))
        context = context.unflatten(1, (height, width))[None]
        kernel = conv.weight[:, len(POOLED) * outputs :]
        return norm(F.conv2d(x, kernel, padding=1) + context)


class Edge(nn.Module):
    """What maps of three stages say of edges, side by side at the first one's size."""

    def __init__(self, inputs: list[int], width: int):
        super().__init__()
        self.conv1, self.conv2, self.conv3 = (nn.Sequential(*conv_norm(x, width)) for x in inputs)
        self.conv4 = nn.Conv2d(width, 2, 3, padding=1)
        self.conv5 = nn.Conv2d(6, 2, 1)

    def forward(self, maps: list[Tensor]) -> Tensor:
        narrow = [layer(x) for layer, x in zip((self.conv1, self.conv2, self.conv3), maps)]
        return torch.cat([narrow[0], *(resize(x, narrow[0]) for x in narrow[1:])], dim=1)


class Decoder(nn.Module):
    """Context, at the size of the first stage's map and mixed with that."""

    def __init__(self, config: Config, classes: int):
        super().__init__()
        self.conv1 = nn.Sequential(*conv_norm(config.context, config.branch))
        self.conv2 = nn.Sequential(*conv_norm(4 * config.width, config.detail))
        self.conv3 = nn.Sequential(
            *conv_norm(config.branch + config.detail, config.branch),
            *conv_norm(config.branch, config.branch),
        )
        self.conv4 = nn.Conv2d(config.branch, classes, 1)

    def forward(self, context: Tensor, detail: Tensor) -> Tensor:
        context = resize(self.conv1(context), detail)
        return self.conv3(torch.cat((context, self.conv2(detail)), dim=1))


class SCHP(nn.Module):
    """Normalised image (1, 3, H, W) to logits (1, classes, H / 4, W / 4), sides rounded up."""

    def __init__(self, config: Config, classes: int):
        super().__init__()
        inputs = 3
        for index, width in enumerate((config.stem, config.stem, 2 * config.stem), start=1):
            conv = nn.Conv2d(inputs, width, 3, 2 if index == 1 else 1, padding=1, bias=False)
            self.add_module(f"conv{index}", conv)
            self.add_module(f"bn{index}", InPlaceNorm(width, slope=None))
            inputs = width
        outputs = []
        for index, count in enumerate(config.blocks):
            # The last stage stays at the size of the one before, and looks twice as far.
            step, dilation = ((1, 1), (2, 1), (2, 1), (1, 2))[index]
            width = config.width << index
            blocks = [Bottleneck(inputs, width, step, dilation)]
            blocks += [Bottleneck(4 * width, width, 1, dilation) for _ in range(count - 1)]
            self.add_module(f"layer{index + 1}", nn.Sequential(*blocks))
            inputs = 4 * width
            outputs.append(inputs)
        self.context_encoding = Context(inputs, config.context)
        self.edge = Edge(outputs[:3], config.branch)
        self.decoder = Decoder(config, classes)
        # The checkpoints' spelling. What is dropped out in training is nothing here.
        self.fushion = nn.Sequential(
            *conv_norm(4 * config.branch, config.branch),
            nn.Identity(),
            nn.Conv2d(config.branch, classes, 1),
        )

    def forward(self, image: Tensor) -> Tensor:
        x = image
        for conv, norm in ((self.conv1, self.bn1), (self.conv2, self.bn2), (self.conv3, self.bn3)):
            x = F.relu(norm(conv(x)))
        x = F.max_pool2d(x, 3, 2, padding=1)
        maps = []
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
            maps.append(x)
        parts = self.decoder(self.context_encoding(x), maps[0])
        return self.fushion(torch.cat((parts, self.edge(maps[:3])), dim=1))
