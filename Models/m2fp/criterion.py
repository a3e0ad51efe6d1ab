"""The loss of mask classification (Cheng et al. 2021, MaskFormer; 2022, Mask2Former).

Masks are compared at sampled points, not at every pixel (Kirillov et al. 2020, PointRend). All
queries of an image share its points: then a target's mask is a look-up in the label and person
maps, at full resolution, and no mask tensor is ever built.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .matcher import Targets, Weights, match


def dice(logits: Tensor, masks: Tensor) -> Tensor:
    """Dice loss of matched rows: (N, P) and (N, P) to (N,)."""
    chances = logits.sigmoid()
    return 1 - (2 * (chances * masks).sum(1) + 1) / (chances.sum(1) + masks.sum(1) + 1)


def sample(maps: Tensor, points: Tensor) -> Tensor:
    """Read maps (B, C, H, W) bilinearly at points (B, P, 2), x and y in [0, 1]: (B, C, P)."""
    grid = 2 * points[:, :, None] - 1
    return F.grid_sample(maps, grid, align_corners=False).squeeze(3)


class Criterion(nn.Module):
    """Loss of the predictions of every decoder layer.

    Parameters
    ----------
    num_classes : int
        C; class C is "no object".
    allowed : Tensor or None
        (Q, C) bool: the classes for which each query may answer; None for all.
    no_object_weight : Tensor
        (Q,): weight of a query's class term where it answers for nothing. Queries are many and
        targets few, so untied queries need a weight well below 1.
    """

    def __init__(
        self,
        num_classes: int,
        no_object_weight: Tensor,
        allowed: Tensor | None = None,
        weights: Weights = Weights(),
    ):
        super().__init__()
        self.num_classes = num_classes
        self.weights = weights
        self.register_buffer("no_object_weight", no_object_weight)
        self.register_buffer("allowed", allowed)

    def forward(
        self, layers: list[tuple[Tensor, Tensor]], targets: list[Targets]
    ) -> dict[str, Tensor]:
        """Weighted losses by name (``class``, ``mask``, ``dice``), summed over the layers.

        Parameters
        ----------
        layers : list of (Tensor, Tensor)
            Class logits (B, Q, C+1) and mask logits at P points (B, Q, P) of each layer.
        targets : list of Targets
            One an image, with masks at the same points.
        """
        total = {"class": 0.0, "mask": 0.0, "dice": 0.0}
        for class_logits, mask_logits in layers:
            losses = self._layer(class_logits.float(), mask_logits.float(), targets)
            total = {name: value + losses[name] for name, value in total.items()}
        return total

    def _layer(
        self, class_logits: Tensor, mask_logits: Tensor, targets: list[Targets]
    ) -> dict[str, Tensor]:
        batch, queries, _ = class_logits.shape
        answers = torch.full((batch, queries), self.num_classes, device=class_logits.device)
        weight = self.no_object_weight.expand(batch, -1).clone()
        found, wanted = [], []
        for index, target in enumerate(targets):
            rows, columns = match(
                class_logits[index], mask_logits[index], target, self.weights, self.allowed
            )
            answers[index, rows] = target.labels[columns]
            weight[index, rows] = 1.0
            found.append(mask_logits[index, rows])
            wanted.append(target.masks[columns])
        found, wanted = torch.cat(found), torch.cat(wanted)
        count = max(len(found), 1)
        surprise = F.cross_entropy(class_logits.transpose(1, 2), answers, reduction="none")
        entropy = F.binary_cross_entropy_with_logits(found, wanted, reduction="none")
        return {
            "class": self.weights.classes * (surprise * weight).sum() / weight.sum(),
            "mask": self.weights.mask * entropy.mean(1).sum() / count,
            "dice": self.weights.dice * dice(found, wanted).sum() / count,
        }
