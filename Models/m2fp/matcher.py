"""Which query answers for which target: the cheapest one-to-one assignment (Kuhn 1955)."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from scipy.optimize import linear_sum_assignment
from torch import Tensor

FORBIDDEN = 1e6


class Targets(NamedTuple):
    """What one image shows: ``labels`` (T,) int64 and ``masks`` (T, P) float 0/1 at P points."""

    labels: Tensor
    masks: Tensor


class Weights(NamedTuple):
    """Weights of the loss's terms; Mask2Former's values."""

    classes: float = 2.0
    mask: float = 5.0
    dice: float = 5.0


def pairwise_cross_entropy(logits: Tensor, masks: Tensor) -> Tensor:
    """Mean binary cross-entropy of every query (Q, P) with every target (T, P): (Q, T)."""
    # -t log s(x) - (1 - t) log(1 - s(x)) = softplus(x) - t x
    return (F.softplus(logits).sum(1, keepdim=True) - logits @ masks.T) / logits.shape[1]


def pairwise_dice(logits: Tensor, masks: Tensor) -> Tensor:
    """Dice loss (Milletari et al. 2016) of every query (Q, P) with every target (T, P): (Q, T)."""
    chances = logits.sigmoid()
    sizes = chances.sum(1, keepdim=True) + masks.sum(1)
    return 1 - (2 * chances @ masks.T + 1) / (sizes + 1)


@torch.no_grad()
def match(
    class_logits: Tensor,
    mask_logits: Tensor,
    targets: Targets,
    weights: Weights,
    allowed: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Assign queries to the targets of one image.

    The cost of a pair is the weighted sum that the loss would charge, with the class term
    ``-p(class)`` as in Carion et al. 2020.

    Parameters
    ----------
    class_logits : Tensor
        (Q, C+1).
    mask_logits : Tensor
        (Q, P), at the points at which ``targets.masks`` was sampled.
    targets : Targets
        T targets.
    weights : Weights
        Weights of the three terms.
    allowed : Tensor or None
        (Q, C) bool: the classes for which a query may answer; None for all.

    Returns
    -------
    queries, matched : Tensor
        (M,) int64 each, M <= min(Q, T): query ``queries[i]`` answers for target ``matched[i]``.
    """
    labels = targets.labels
    cost = -weights.classes * class_logits.softmax(-1)[:, labels]
    cost = cost + weights.mask * pairwise_cross_entropy(mask_logits, targets.masks)
    cost = cost + weights.dice * pairwise_dice(mask_logits, targets.masks)
    if allowed is not None:
        cost = cost + FORBIDDEN * ~allowed[:, labels]
    cost = torch.nan_to_num(cost, nan=FORBIDDEN).float().cpu()
    rows, columns = (torch.as_tensor(x, dtype=torch.long) for x in linear_sum_assignment(cost))
    possible = cost[rows, columns] < FORBIDDEN / 2
    return rows[possible].to(labels.device), columns[possible].to(labels.device)
