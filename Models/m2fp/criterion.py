"""The loss of mask classification (Cheng et al. 2021, MaskFormer; 2022, Mask2Former).

Masks are compared at sampled points, not at every pixel (Kirillov et al. 2020, PointRend). All
queries of an image share its points: then a target's mask is a look-up in the label and person
maps, at full resolution, and no mask tensor is ever built.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .matcher import UNMATCHED, Weights, match


class Targets(NamedTuple):
    """What a batch's images show, at P points of each.

    parts : (B, C) bool, which of the part classes 1...C an image shows.
    labels : (B, P) int64, the part class at each point, 0 for background.
    counts : the persons of each image.
    persons : (B, P) int64, the person 1...count at each point, 0 for nobody.
    """

    parts: Tensor
    labels: Tensor
    counts: list[int]
    persons: Tensor


def dice(logits: Tensor, masks: Tensor) -> Tensor:
    """Dice loss of matched rows: (..., P) and (..., P) to (...)."""
    chances = logits.sigmoid()
    return 1 - (2 * (chances * masks).sum(-1) + 1) / (chances.sum(-1) + masks.sum(-1) + 1)


def sample(maps: Tensor, points: Tensor) -> Tensor:
    """Read maps (B, C, H, W) bilinearly at points (B, P, 2), x and y in [0, 1]: (B, C, P)."""
    grid = 2 * points[:, :, None] - 1
    return F.grid_sample(maps, grid, align_corners=False).squeeze(3)


class Criterion(nn.Module):
    """Loss of the predictions of every decoder layer.

    The first C queries answer for one part class each, in their order; the others for persons,
    who are matched to them.

    Parameters
    ----------
    parts : int
        C. Class C + 1 is Human, and C + 2 "no object".
    no_object_weight : tuple of float
        Weight of a part query's and of a person query's class term where it answers for nothing.
        Person queries are many and persons few, so theirs needs to be well below 1.
    """

    def __init__(
        self,
        parts: int,
        no_object_weight: tuple[float, float] = (1.0, 0.2),
        weights: Weights = Weights(),
    ):
        super().__init__()
        self.parts = parts
        self.no_object_weight = no_object_weight
        self.weights = weights

    def forward(
        self, layers: list[tuple[Tensor, Tensor]], targets: Targets
    ) -> dict[str, Tensor]:
        """Weighted losses by name (``class``, ``mask``, ``dice``), summed over the layers.

        Parameters
        ----------
        layers : list of (Tensor, Tensor)
            Class logits (B, Q, C+3) and mask logits at P points (B, Q, P) of each layer.
        targets : Targets
            At the same points.
        """
        class_logits, mask_logits = (torch.stack(x).float() for x in zip(*layers))
        device = class_logits.device
        human, none = self.parts + 1, self.parts + 2
        part_logits, person_logits = mask_logits.split(
            (self.parts, mask_logits.shape[2] - self.parts), dim=2
        )
        part = torch.arange(1, human, device=device)
        person = torch.arange(1, max(targets.counts) + 1, device=device)
        part_masks, person_masks = (
            (at_points[:, None] == number[:, None]).float()
            for at_points, number in ((targets.labels, part), (targets.persons, person))
        )
        chances = class_logits[:, :, self.parts :].softmax(-1)[..., human]
        chosen = match(chances, person_logits, person_masks, targets.counts, self.weights)
        chosen = chosen.to(device, non_blocking=True)
        matched = chosen != UNMATCHED
        chosen = chosen.clamp(min=0)

        shown = targets.parts.expand(len(layers), -1, -1)
        answers = torch.where(shown, part, none)
        answering = torch.zeros(person_logits.shape[:3], device=device)
        answering = answering.scatter_add(2, chosen, matched.float()) > 0
        answers = torch.cat((answers, torch.where(answering, human, none)), dim=2)
        weight = torch.cat(
            [
                torch.where(answered, 1.0, lone)
                for answered, lone in zip((shown, answering), self.no_object_weight)
            ],
            dim=2,
        )
        surprise = F.cross_entropy(
            class_logits.flatten(0, 2), answers.flatten(), reduction="none"
        ).view_as(weight)

        points = person_logits.shape[-1]
        found = person_logits.gather(2, chosen.unsqueeze(-1).expand(-1, -1, -1, points))
        found = torch.cat((part_logits, found), dim=2)
        wanted = torch.cat((part_masks, person_masks), dim=1).expand_as(found)
        counted = torch.cat((shown, matched), dim=2).float()
        count = counted.sum((1, 2)).clamp(min=1)
        entropy = F.binary_cross_entropy_with_logits(found, wanted, reduction="none").mean(-1)

        def per_target(losses: Tensor) -> Tensor:
            return ((losses * counted).sum((1, 2)) / count).sum()

        by_class = ((surprise * weight).sum((1, 2)) / weight.sum((1, 2))).sum()
        return {
            "class": self.weights.classes * by_class,
            "mask": self.weights.mask * per_target(entropy),
            "dice": self.weights.dice * per_target(dice(found, wanted)),
        }
