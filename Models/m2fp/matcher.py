"""Which query answers for which person: the cheapest one-to-one assignment (Kuhn 1955)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from scipy.optimize import linear_sum_assignment
from torch import Tensor

UNMATCHED = -1


class Weights(NamedTuple):
    """Weights of the loss's terms; Mask2Former's values."""

    classes: float = 2.0
    mask: float = 5.0
    dice: float = 5.0


def pairwise_cross_entropy(logits: Tensor, masks: Tensor) -> Tensor:
    """Mean binary cross-entropy of each query (..., Q, P) with each target (..., T, P)."""
    # -t log s(x) - (1 - t) log(1 - s(x)) = softplus(x) - t x
    own = F.softplus(logits).sum(-1, keepdim=True)
    return (own - logits @ masks.transpose(-2, -1)) / logits.shape[-1]


def pairwise_dice(logits: Tensor, masks: Tensor) -> Tensor:
    """Dice loss (Milletari et al. 2016) of each query (..., Q, P) with each target (..., T, P)."""
    chances = logits.sigmoid()
    sizes = chances.sum(-1, keepdim=True) + masks.sum(-1).unsqueeze(-2)
    return 1 - (2 * chances @ masks.transpose(-2, -1) + 1) / (sizes + 1)


@torch.no_grad()
def match(
    chances: Tensor, mask_logits: Tensor, masks: Tensor, counts: list[int], weights: Weights
) -> Tensor:
    """Assign queries to the targets of each image, for several layers' predictions at once.

    The cost of a pair is the weighted sum that the loss would charge, with the class term
    ``-p(class)`` as in Carion et al. 2020.

    Parameters
    ----------
    chances : Tensor
        (L, B, Q) in [0, 1], that a query shows what the targets are.
    mask_logits : Tensor
        (L, B, Q, P) at P points.
    masks : Tensor
        (B, T, P) float 0/1 at the same points; image i has ``counts[i]`` targets, the rest pads.
    counts : list of int
        Targets of each image.
    weights : Weights
        Weights of the three terms.

    Returns
    -------
    Tensor
        (L, B, T) int64 in main memory: the query that answers for each target, `UNMATCHED` for
        padding and for targets beyond the number of queries.
    """
    cost = weights.mask * pairwise_cross_entropy(mask_logits, masks)
    cost += weights.dice * pairwise_dice(mask_logits, masks)
    cost -= weights.classes * chances.unsqueeze(-1)
    # One transfer for all: each would wait for the device.
    cost = cost.cpu().numpy()
    result = np.full((*cost.shape[:2], masks.shape[1]), UNMATCHED, np.int64)
    for layer, costs in enumerate(cost):
        for image, count in enumerate(counts):
            queries, targets = linear_sum_assignment(np.nan_to_num(costs[image, :, :count]))
            result[layer, image, targets] = queries
    return torch.from_numpy(result)
