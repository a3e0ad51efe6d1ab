"""OCRNet's head (Yuan, Chen, Wang, ECCV 2020), after the paper: a first guess gathers what each
class looks like in this image, and each place is described by the classes that it resembles.

Parameters have the names of MMSegmentation's checkpoints, so that these load as they are.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
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
        query = self.query_project(places).flatten(2).transpose(1, 2)
        key = self.key_project(classes).flatten(2)
        # Weights add up to 1, so that what classes have to say is as well projected before as after
        # it is mixed, and there are few classes.
        value = self.out_project(self.value_project(classes)).flatten(2).transpose(1, 2)
        weights = (query @ key * self.inner**-0.5).softmax(2)
        found = F.relu(weights @ value).unflatten(1, places.shape[2:]).permute(0, 3, 1, 2)
        return self.bottleneck(torch.cat((found, places), dim=1))


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
        classes = (shares @ places.flatten(2).transpose(1, 2)).transpose(1, 2)[..., None]
        return self.conv_seg(self.object_context_block(places, classes))
