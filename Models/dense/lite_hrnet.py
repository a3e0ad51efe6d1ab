"""Lite-HRNet (Yu et al., CVPR 2021), after the paper, with OCRNet's head.

Parameters have the names of MMPose's and MMSegmentation's checkpoints, so that these load as they
are.
"""

from __future__ import annotations

import dataclasses

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .ocr import ConvNorm, FirstGuess, ObjectContext

STRIDE = 4
# Blocks of a module (paper, table 1), and by how much they narrow channel weights.
BLOCKS = 2
CROSS_REDUCTION = 8
SPATIAL_REDUCTION = 4


@dataclasses.dataclass(frozen=True)
class Config:
    """A member of the family: modules of the three stages; widths of the stem, of the branches, of
    the head's places and of its attention."""

    modules: tuple[int, int, int]
    stem: int = 32
    branches: tuple[int, int, int, int] = (40, 80, 160, 320)
    places: int = 512
    attention: int = 256


CONFIGS = {
    "lite-hrnet-18-ocr": Config((2, 4, 2)),
    "lite-hrnet-30-ocr": Config((3, 8, 3)),
}


def shuffle(x: Tensor) -> Tensor:
    """Channels of the first half and of the second in turn."""
    return x.unflatten(1, (2, -1)).transpose(1, 2).flatten(1, 2)


def separable(inputs: int, outputs: int, step: int) -> list[nn.Module]:
    """A depthwise 3×3 and a 1×1, each with its norm, as layers of a sequence."""
    return [
        nn.Conv2d(inputs, inputs, 3, step, padding=1, groups=inputs, bias=False),
        nn.BatchNorm2d(inputs),
        nn.Conv2d(inputs, outputs, 1, bias=False),
        nn.BatchNorm2d(outputs),
    ]


class Stem(nn.Module):
    """Image to a map at stride 4: a convolution, and a block of ShuffleNet V2 with a step."""

    def __init__(self, width: int):
        super().__init__()
        half = width // 2
        self.conv1 = ConvNorm(3, width, 3, step=2)
        self.branch1 = nn.Sequential(
            ConvNorm(half, half, 3, step=2, groups=half, activation=None), ConvNorm(half, half)
        )
        self.expand_conv = ConvNorm(half, width)
        self.depthwise_conv = ConvNorm(width, width, 3, step=2, groups=width, activation=None)
        self.linear_conv = ConvNorm(width, half)

    def forward(self, image: Tensor) -> Tensor:
        first, second = self.conv1(image).chunk(2, dim=1)
        second = self.linear_conv(self.depthwise_conv(self.expand_conv(second)))
        return shuffle(torch.cat((self.branch1(first), second), dim=1))


class CrossResolutionWeights(nn.Module):
    """Maps times weights of each channel at each place, which all maps have a say in."""

    def __init__(self, widths: list[int]):
        super().__init__()
        self.widths = widths
        total = sum(widths)
        self.conv1 = ConvNorm(total, total // CROSS_REDUCTION)
        self.conv2 = ConvNorm(total // CROSS_REDUCTION, total, activation=torch.sigmoid)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        least = maps[-1].shape[2:]
        pooled = [F.adaptive_avg_pool2d(x, least) for x in maps[:-1]]
        weights = self.conv2(self.conv1(torch.cat((*pooled, maps[-1]), dim=1)))
        return [
            x * F.interpolate(share, size=x.shape[2:], mode="nearest")
            for x, share in zip(maps, weights.split(self.widths, dim=1))
        ]


class SpatialWeights(nn.Module):
    """A map times a weight of each channel, which the whole map has a say in."""

    def __init__(self, width: int):
        super().__init__()
        narrow = width // SPATIAL_REDUCTION
        self.conv1 = ConvNorm(width, narrow, norm=False)
        self.conv2 = ConvNorm(narrow, width, norm=False, activation=torch.sigmoid)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.conv2(self.conv1(F.adaptive_avg_pool2d(x, 1)))


class Block(nn.Module):
    """Conditional channel weighting: half of each map's channels are weighted, filtered,
    weighted."""

    def __init__(self, widths: list[int]):
        super().__init__()
        halves = [width // 2 for width in widths]
        self.cross_resolution_weighting = CrossResolutionWeights(halves)
        self.depthwise_convs = nn.ModuleList(
            ConvNorm(half, half, 3, groups=half, activation=None) for half in halves
        )
        self.spatial_weighting = nn.ModuleList(map(SpatialWeights, halves))

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        kept, changed = zip(*(x.chunk(2, dim=1) for x in maps))
        changed = self.cross_resolution_weighting(changed)
        changed = [conv(x) for conv, x in zip(self.depthwise_convs, changed)]
        changed = [weigh(x) for weigh, x in zip(self.spatial_weighting, changed)]
        return [shuffle(torch.cat(pair, dim=1)) for pair in zip(kept, changed)]


class Module(nn.Module):
    """Blocks, and an exchange between the maps.

    The published code adds maps in place, and its weights were trained with what comes of that: the
    first map counts twice, in its own sum and, as a summand, in those of the others, which get that
    sum and not the map.
    """

    def __init__(self, widths: list[int]):
        super().__init__()
        self.layers = nn.Sequential(*(Block(widths) for _ in range(BLOCKS)))
        self.fuse_layers = nn.ModuleList(
            nn.ModuleList(self.way(widths, source, target) for source in range(len(widths)))
            for target in range(len(widths))
        )

    @staticmethod
    def way(widths: list[int], source: int, target: int) -> nn.Module | None:
        """From a map to another's width and, if that is smaller, size; nothing from one to
        itself."""
        if source == target:
            return None
        if source > target:
            return nn.Sequential(
                nn.Conv2d(widths[source], widths[target], 1, bias=False),
                nn.BatchNorm2d(widths[target]),
            )
        steps = [
            nn.Sequential(*separable(widths[source], widths[source], 2), nn.ReLU())
            for _ in range(target - source - 1)
        ]
        return nn.Sequential(*steps, nn.Sequential(*separable(widths[source], widths[target], 2)))

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        maps = self.layers(maps)
        sums = []
        for target, ways in enumerate(self.fuse_layers):
            size = maps[target].shape[2:]
            total = maps[0] if target == 0 else 2 * ways[0](maps[0])
            for source, way in list(enumerate(ways))[1:]:
                x = maps[source] if way is None else way(maps[source])
                total = total + (F.interpolate(x, size=size) if source > target else x)
            if target == 0:
                total = total + maps[0]
                maps = [total, *maps[1:]]
            sums.append(F.relu(total))
        return sums


class Separable(nn.Module):
    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.depthwise_conv = ConvNorm(inputs, inputs, 3, groups=inputs, activation=None)
        self.pointwise_conv = ConvNorm(inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.pointwise_conv(self.depthwise_conv(x))


class IterativeHead(nn.Module):
    """Maps of all scales into the largest, from the smallest on."""

    def __init__(self, widths: list[int]):
        super().__init__()
        narrowing = zip(widths[::-1], [*widths[-2::-1], widths[0]])
        self.projects = nn.ModuleList(Separable(*pair) for pair in narrowing)

    def forward(self, maps: list[Tensor]) -> Tensor:
        total = self.projects[0](maps[-1])
        for project, x in zip(list(self.projects)[1:], maps[-2::-1]):
            total = F.interpolate(total, size=x.shape[2:], mode="bilinear", align_corners=True)
            total = project(x + total)
        return total


class LiteHRNet(nn.Module):
    """Normalised image (1, 3, H, W) to a map at stride 4, as wide as the first branch."""

    def __init__(self, config: Config):
        super().__init__()
        self.stem = Stem(config.stem)
        before = [config.stem]
        for stage, count in enumerate(config.modules):
            widths = list(config.branches[: stage + 2])
            self.add_module(f"transition{stage}", self.transition(before, widths))
            modules = nn.Sequential(*(Module(widths) for _ in range(count)))
            self.add_module(f"stage{stage}", modules)
            before = widths
        self.head_layer = IterativeHead(before)

    @staticmethod
    def transition(before: list[int], widths: list[int]) -> nn.ModuleList:
        """Layers that bring maps to other widths, and one more from the last, half as large."""
        layers = []
        for inputs, outputs in zip(before, widths):
            same = inputs == outputs
            layers.append(
                None if same else nn.Sequential(*separable(inputs, outputs, 1), nn.ReLU())
            )
        half = nn.Sequential(*separable(before[-1], widths[-1], 2), nn.ReLU())
        return nn.ModuleList([*layers, nn.Sequential(half)])

    def forward(self, image: Tensor) -> Tensor:
        maps = [self.stem(image)]
        for transition, stage in (
            (self.transition0, self.stage0),
            (self.transition1, self.stage1),
            (self.transition2, self.stage2),
        ):
            maps = [
                x if layer is None else layer(x) for layer, x in zip(transition, [*maps, maps[-1]])
            ]
            maps = stage(maps)
        return self.head_layer(maps)


class LiteHRNetOCR(nn.Module):
    """Normalised image (1, 3, H, W) to logits (1, classes, H / 4, W / 4)."""

    def __init__(self, config: Config, classes: int):
        super().__init__()
        self.backbone = LiteHRNet(config)
        width = config.branches[0]
        self.decode_head = nn.ModuleList(
            [
                FirstGuess(width, classes),
                ObjectContext(width, config.places, config.attention, classes),
            ]
        )

    def forward(self, image: Tensor) -> Tensor:
        x = self.backbone(image)
        guess, context = self.decode_head
        return context(x, guess(x))
