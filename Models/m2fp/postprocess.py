"""Query outputs to label and person maps: the reference's parsing mode (design: m2fp-facts).

A contract of ours may ask for cleaner masks besides (`refine`).

Class scores bound instance scores, because a mask score is at most 1. So a query and class pair
whose class score is below its threshold is dropped before its mask is resized, exactly.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from . import refine
from .config import Refinement


class Parsing(NamedTuple):
    """What an image shows.

    labels : (H, W) uint8 class ids.
    persons : (H, W) uint8, 0 for none, then 1.. in descending order of score.
    scores : (N,) float, of the persons.
    """

    labels: Tensor
    persons: Tensor
    scores: Tensor


@torch.no_grad()
def parse(
    class_logits: Tensor,
    mask_logits: Tensor,
    padded: tuple[int, int],
    resized: tuple[int, int],
    size: tuple[int, int],
    contract: dict,
    picture: np.ndarray | None = None,
) -> Parsing:
    """Merge one image's queries.

    Parameters
    ----------
    class_logits, mask_logits : Tensor
        (Q, C+1) and (Q, h, w), the network's outputs without the batch axis.
    padded, resized, size : (int, int)
        (height, width) of the network's input, of the image in it, and of the image itself.
    contract : dict
        The ``postprocess`` object of the model's contract, mode ``instances``.
    picture : ndarray or None
        The image as resized for the network, (h, w, 3) uint8: needed where the contract has
        ``refine``.
    """
    # Behind the parts comes the human, and then "no object".
    parts = human = class_logits.shape[-1] - 2
    class_scores = class_logits.softmax(-1)[:, :-1]
    count = min(contract["top_k"], class_scores.numel())
    best, index = class_scores.flatten().topk(count)
    query = torch.div(index, class_scores.shape[1], rounding_mode="floor")
    label = index % class_scores.shape[1]
    # Only the semantic map uses part instances, and it wants both thresholds met.
    part_floor = max(contract["part_score_threshold"], contract["semantic_score_threshold"])
    floor = torch.where(
        label == human,
        torch.tensor(contract["human_score_threshold"]),
        torch.tensor(part_floor),
    )
    keep = (best >= floor) & (label != 0)
    best, query, label = best[keep], query[keep], label[keep]

    labels = torch.zeros(size, dtype=torch.uint8)
    persons = torch.zeros(size, dtype=torch.uint8)
    if not len(best):
        return Parsing(labels, persons, best)
    masks, inverse = query.unique(return_inverse=True)
    masks = F.interpolate(mask_logits[None, masks], padded, mode="bilinear", align_corners=False)
    small = masks[:, :, : resized[0], : resized[1]]
    masks = F.interpolate(small, size, mode="bilinear", align_corners=False)[0]
    chances, inside = masks.sigmoid(), masks > 0
    area = inside.flatten(1).sum(1).clamp(min=1)
    mask_score = (chances * inside).flatten(1).sum(1) / area
    score = best * mask_score[inverse]

    is_part = (label != human) & (score >= part_floor)
    is_person = (label == human) & (score > contract["human_score_threshold"])
    if "refine" in contract:
        refined = refined_masks(
            small[0].numpy(), inverse.numpy(), label.numpy(), score.numpy(), is_part.numpy(),
            is_person.numpy(), picture, contract,
        )  # fmt: skip
        for number, mask in refined.items():
            mask = torch.from_numpy(mask)[None, None]
            mask = F.interpolate(mask, size, mode="bilinear", align_corners=False)[0, 0]
            chances[number] = mask.sigmoid()
    sums = torch.zeros(parts, *size)
    counts = torch.zeros(parts, *size)
    for i in torch.nonzero(is_part).flatten().tolist():
        weighted = chances[inverse[i]] * score[i]
        strong = weighted > contract["mask_threshold"]
        sums[label[i]] += weighted * strong
        counts[label[i]] += strong
    labels = (sums / counts.clamp(min=1)).argmax(0).to(torch.uint8)

    chosen = torch.nonzero(is_person).flatten()
    chosen = chosen[score[chosen].argsort(descending=True)]
    for rank in reversed(range(len(chosen))):
        persons[inside[inverse[chosen[rank]]]] = rank + 1
    return Parsing(labels, persons, score[chosen])


def refined_masks(
    masks: np.ndarray,
    query: np.ndarray,
    label: np.ndarray,
    score: np.ndarray,
    is_part: np.ndarray,
    is_person: np.ndarray,
    picture: np.ndarray,
    contract: dict,
) -> dict[int, np.ndarray]:
    """Mask logits (h, w) for the merge, by place in ``masks`` (M, h, w), of all part queries.

    ``query`` is the place in ``masks`` of each instance.
    """
    best: dict[int, int] = {}
    for i in np.flatnonzero(is_part):
        if query[i] not in best or score[i] > score[best[query[i]]]:
            best[query[i]] = i
    # `masks` are in the order of queries' numbers.
    order = sorted(best, key=lambda place: (label[best[place]], place))
    instances = [best[place] for place in order]
    covered = (masks[query[is_person]] > 0).any(0)
    options = Refinement(**contract["refine"])
    refined = refine.refine(
        masks[order], label[instances], score[instances], refine.grey(picture), covered,
        contract["mask_threshold"], options,
    )  # fmt: skip
    return dict(zip(order, refined))
