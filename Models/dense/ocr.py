"""OCRNet's head (Yuan, Chen, Wang, ECCV 2020), after the paper: a first guess gathers what each
class looks like in this image, and each place is described by the classes that it resembles.

Parameters have the names of MMSegmentation's checkpoints, so that these load as they are.
"""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor, nn


class ConvNorm(nn.Module):
    """A convolution, BatchNorm (where `norm`; else the convolution has a bias), and an
    activation."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int = 1,
        step: int = 1,
        groups: int = 1,
        norm: bool = True,
        activation: Callable[[Tensor], Tensor] | None = F.relu,
    ):
        super().__init__()
        self.conv = nn.Conv2d(
            inputs, outputs, kernel, step, padding=kernel // 2, groups=groups, bias=not norm
        )
        self.bn = nn.BatchNorm2d(outputs) if norm else None
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        if self.bn is not None:
            x = self.bn(x)
        return x if self.activation is None else self.activation(x)


class FirstGuess(nn.Module):
    """Logits of the classes from each place on its own: (1, C, h, w) to (1, classes, h, w)."""

    def __init__(self, inputs: int, classes: int):
        super().__init__()
        self.convs = nn.Sequential(ConvNorm(inputs, inputs))
        self.conv_seg = nn.Conv2d(inputs, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv_seg(self.convs(x))


class ObjectAttention(nn.Module):
    """Places (1, C, h, w) that ask classes (1, C, classes, 1), and what they get beside what they
    are."""

    def __init__(self, width: int, inner: int):
        super().__init__()
        self.inner = inner
        self.key_project = nn.Sequential(ConvNorm(width, inner), ConvNorm(inner, inner))
        self.query_project = nn.Sequential(ConvNorm(width, inner), ConvNorm(inner, inner))
        self.value_project = ConvNorm(width, inner)
        self.out_project = ConvNorm(inner, width, activation=None)
        self.bottleneck = ConvNorm(2 * width, width)

    def forward(self, places: Tensor, classes: Tensor) -> Tensor:
        # As one head's attention, and so that m2fp's kernel for that is found.
        query, key, value = (
            x.flatten(2).transpose(1, 2)[:, None]
            for x in (
                self.query_project(places),
                self.key_project(classes) * self.inner**-0.5,
                # Weights add up to 1, so that what classes have to say is as well projected before
                # as after it is mixed, and there are few classes.
                self.out_project(self.value_project(classes)),
            )
        )
        found = F.relu((query @ key.transpose(-2, -1)).softmax(-1) @ value)
        found = found[:, 0].transpose(1, 2).unflatten(2, places.shape[2:])
        # A convolution of both, with the norm behind it, without laying them side by side.
        conv, norm = self.bottleneck.conv, self.bottleneck.bn
        factor = norm.weight * (norm.running_var + norm.eps).rsqrt()
        weight = factor[:, None, None, None] * conv.weight
        of_places = F.conv2d(places, weight[:, conv.out_channels :])
        shift = norm.bias - norm.running_mean * factor
        return F.relu(of_places + F.conv2d(found, weight[:, : conv.out_channels], shift))


class ObjectContext(nn.Module):
    """Map (1, C, h, w) and first guess (1, classes, h, w) to logits of the same size as the
    guess."""

    def __init__(self, inputs: int, width: int, inner: int, classes: int):
        super().__init__()
        self.bottleneck = ConvNorm(inputs, width, 3)
        self.object_context_block = ObjectAttention(width, inner)
        self.conv_seg = nn.Conv2d(width, classes, 1)

    def forward(self, x: Tensor, guess: Tensor) -> Tensor:
        places = self.bottleneck(x)
        # Each class is the mean of the places, by how much of it lies at each.
        shares = guess.flatten(2).softmax(2)
        classes = F.linear(shares[0], places.flatten(2)[0]).transpose(0, 1)[None, ..., None]
        return self.conv_seg(self.object_context_block(places, classes))
