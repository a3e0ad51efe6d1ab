"""Queries for persons chosen from the image, and mask features that know where they are.

Learned queries need long training before each finds a person of its own. Here a score map at
stride 8 says where persons are centred, and the peaks of it become the person queries, as FastInst
(He et al. 2023) activates queries and CenterNet (Zhou et al. 2019) finds objects. Two persons in
the same clothes differ only in place, so places are added to mask features and queries alike.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .config import Config
from .pixel_decoder import pixel_centres

OCTAVES = 5


def fourier_places(image: Tensor) -> Tensor:
    """Places of an image's (B, C, H, W) pixels as waves of half a turn to ``2^(OCTAVES-2)`` turns.

    Returns
    -------
    Tensor
        (H * W, 4 * OCTAVES), rows in raster order.
    """
    frequencies = math.pi * 2.0 ** torch.arange(OCTAVES, device=image.device)
    phase = (pixel_centres(image)[:, :, None] * frequencies).flatten(1)
    return torch.cat((phase.sin(), phase.cos()), dim=1)


class PersonQueries(nn.Module):
    """Choose ``config.person_queries`` queries from the tokens at stride 8."""

    def __init__(self, config: Config):
        super().__init__()
        dim = config.hidden_dim
        self.count = config.person_queries
        self.score = nn.Linear(dim, 1)
        self.feature = nn.Linear(dim, dim)
        self.place = nn.Linear(4 * OCTAVES, dim)
        self.mask_place = nn.Linear(4 * OCTAVES, config.mask_dim)
        # Few pixels are centres: the prior of 0.01 keeps the first steps calm (Lin et al. 2017).
        nn.init.constant_(self.score.bias, -math.log(99.0))

    def centre_logits(self, tokens: Tensor, size) -> Tensor:
        """How much each token is a person's centre: tokens (B, H * W, E) to (B, H, W)."""
        return self.score(tokens).squeeze(2).unflatten(1, (size[0], size[1]))

    def locate(self, mask_features: Tensor) -> Tensor:
        """Add its place to every pixel of the mask features (B, mask_dim, H, W)."""
        places = self.mask_place(fourier_places(mask_features)).transpose(0, 1)
        return mask_features + places.unflatten(1, mask_features.shape[-2:])

    def forward(self, tokens: Tensor, size) -> Tensor:
        """The query features (B, count, E) of the highest peaks, best first.

        The map needs ``count`` cells or more: an image of 64 x 64 has them.
        """
        logits = self.centre_logits(tokens, size)
        highest = F.max_pool2d(logits.unsqueeze(1), 3, stride=1, padding=1).squeeze(1)
        peaks = torch.where(logits == highest, logits, logits - 1e4)
        index = peaks.flatten(1).topk(self.count).indices.unsqueeze(2)
        features = tokens.gather(1, index.expand(-1, -1, tokens.shape[2]))
        places = fourier_places(logits.unsqueeze(1)).expand(tokens.shape[0], -1, -1)
        places = places.gather(1, index.expand(-1, -1, places.shape[2]))
        return self.feature(features) + self.place(places)
