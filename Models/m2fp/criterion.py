"""The loss: chances of label sets, and mask classification for parts and persons.

Everything is compared at sampled points, not at every pixel (Kirillov et al. 2020, PointRend). All
queries of an image share its points: then a target's mask is a look-up in the label and person
maps, at full resolution, and no mask tensor is ever built.

What is known of a point is a set of classes that may be right (`samples`). The main terms are of
the chances that the postprocess ranks a point's classes by: -log of the set's summed chance, and a
soft IoU (Rahman and Wang 2016) of each set. The others are those of Mask2Former (Cheng et al.
2022), as far as a set decides them; where every set has one class they are its terms exactly.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from synthetic import classes

from .matcher import UNMATCHED, Weights, match

UNKNOWN = -1
# The postprocess takes the class of the largest product of mask and class chance, if that exceeds
# the mask threshold, which lies at 0.35 of a mask whose mean is 0.9: so much has the background.
BACKGROUND_CHANCE = 0.39
# Sharpens the chances, as a maximum is taken of them.
SHARPNESS = 3.0
EARLY_LAYER = 1 / 3
FEW_CLASSES = 6
PAIRS = (
    (classes.LEFT_ARM, classes.RIGHT_ARM),
    (classes.LEFT_LEG, classes.RIGHT_LEG),
    (classes.LEFT_SHOE, classes.RIGHT_SHOE),
)
NEVER = -30.0  # a mask logit that says no


class Targets(NamedTuple):
    """What a batch's images show, at P points of each.

    sets : (S, C + 1) bool, the distinct label sets: which classes each allows.
    labels : (B, P) int64, the set of each point, a row of ``sets``.
    shown, absent : (B, C) bool, which of the part classes 1...C an image shows for sure, and which
        it does not show for sure.
    counts : the persons of each image.
    persons : (B, P) int64, the person 1...count at each point, 0 for nobody, `UNKNOWN` where it
        is not known.
    left : (B, P) float, the chance that the limb or shoe there is a left one; 0.5 where nobody
        has an opinion.
    """

    sets: Tensor
    labels: Tensor
    shown: Tensor
    absent: Tensor
    counts: list[int]
    persons: Tensor
    left: Tensor


class Terms(NamedTuple):
    """Weights of the terms."""

    label_set: float = 5.0
    overlap: float = 2.0
    side: float = 4.0
    parts: Weights = Weights(0.5, 1.5, 1.5)
    persons: Weights = Weights(1.0, 2.0, 2.0)


def dice(logits: Tensor, masks: Tensor, counted: Tensor | None = None) -> Tensor:
    """Dice loss of matched rows (..., P) to (...), over the points ``counted``."""
    chances = logits.sigmoid()
    if counted is not None:
        chances, masks = chances * counted, masks * counted
    return 1 - (2 * (chances * masks).sum(-1) + 1) / (chances.sum(-1) + masks.sum(-1) + 1)


def sample(maps: Tensor, points: Tensor) -> Tensor:
    """Read maps (B, C, H, W) bilinearly at points (B, P, 2), x and y in [0, 1]: (B, C, P)."""
    grid = 2 * points[:, :, None] - 1
    return F.grid_sample(maps, grid, align_corners=False).squeeze(3)


def log_of_sum(scores: Tensor, members: Tensor, dim: int) -> Tensor:
    """log of the summed exponentials of ``scores`` over ``members``, true somewhere on ``dim``."""
    return scores.masked_fill(~members, -math.inf).logsumexp(dim)


def rank(class_logits: Tensor, mask_logits: Tensor) -> Tensor:
    """Log chances (..., C + 1, P) of the classes as the postprocess ranks them.

    Parameters
    ----------
    class_logits : Tensor
        (..., C, A), the answers of the part queries; A counts the background and more than C.
    mask_logits : Tensor
        (..., C, P).
    """
    own = class_logits.log_softmax(-1).diagonal(offset=1, dim1=-2, dim2=-1)
    parts = F.logsigmoid(mask_logits) + own.unsqueeze(-1)
    background = torch.full_like(parts[..., :1, :], math.log(BACKGROUND_CHANCE))
    return (SHARPNESS * torch.cat((background, parts), dim=-2)).log_softmax(-2)


def set_loss(log_chances: Tensor, allowed: Tensor) -> Tensor:
    """-log of the summed chance of what is allowed, both (..., C + 1, P), averaged over points:
    (...) without the last two axes and the batch's."""
    return -log_of_sum(log_chances, allowed, -2).mean((-2, -1))


def set_overlap(chances: Tensor, targets: Targets) -> Tensor:
    """1 - soft IoU of each label set over the batch, averaged over the sets that occur: (L,).

    A point of another set that shares classes with one says nothing of that one. Sets of more than
    `FEW_CLASSES` do not count: of a limb only the other side is excluded, which is no region.

    Parameters
    ----------
    chances : Tensor
        (L, B, C + 1, P).
    """
    sets = targets.sets.float()
    disjoint = sets @ sets.T == 0
    own = F.one_hot(targets.labels, len(sets)).movedim(-1, 0).float()
    counted = own + disjoint.float()[:, targets.labels]
    chance = torch.einsum("lbcp,sc->lsbp", chances, sets) * counted
    both = (chance * own).sum((2, 3))
    union = chance.sum((2, 3)) + own.sum((1, 2)) - both
    occurs = (own.sum((1, 2)) > 0) & (targets.sets.sum(1) <= FEW_CLASSES)
    return 1 - ((both + 1) / (union + 1))[:, occurs].mean(1)


def side_loss(
    log_chances: Tensor, allowed: Tensor, left: Tensor, pairs: tuple[tuple[int, int], ...]
) -> Tensor:
    """Cross-entropy of left against right with a teacher's opinion, where both are allowed.

    A point counts as much as the teacher is sure, and as the network takes it for one of a pair.

    Parameters
    ----------
    log_chances, allowed : Tensor
        (L, B, C + 1, P) and (B, C + 1, P).
    left : Tensor
        (B, P), as in `Targets`.
    pairs : tuple of (int, int)
        The classes of the left and right ones.
    """
    total = weights = torch.zeros(len(log_chances), device=left.device)
    for one, other in pairs:
        difference = log_chances[:, :, one] - log_chances[:, :, other]
        with torch.no_grad():
            weight = (log_chances[:, :, one].exp() + log_chances[:, :, other].exp())
            # Of joints that people marked the teacher knows 87 % where it is sure by more than
            # 0.9, and no more than a coin does below 0.5.
            sure = (2 * (2 * left - 1).abs() - 1).clamp(min=0)
            weight = weight * (allowed[:, one] & allowed[:, other]) * sure
        surprise = F.binary_cross_entropy_with_logits(
            difference, left.expand_as(difference), reduction="none"
        )
        total = total + (weight * surprise).sum((1, 2))
        weights = weights + weight.sum((1, 2))
    return total / (weights + 1)


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
    terms : Terms
    pairs : tuple of (int, int)
        The left and right classes of which a teacher may know the side.
    """

    def __init__(
        self,
        parts: int,
        no_object_weight: tuple[float, float] = (1.0, 0.2),
        terms: Terms = Terms(),
        pairs: tuple[tuple[int, int], ...] = PAIRS,
    ):
        super().__init__()
        self.parts = parts
        self.pairs = pairs
        self.no_object_weight = no_object_weight
        self.terms = terms

    def forward(
        self, layers: list[tuple[Tensor, Tensor]], targets: Targets
    ) -> dict[str, Tensor]:
        """Weighted losses by name, summed over the layers.

        Parameters
        ----------
        layers : list of (Tensor, Tensor)
            Class logits (B, Q, C+3) and mask logits at P points (B, Q, P) of each layer: from the
            initial queries, which only the terms of mask classification judge, and then one or more.
        targets : Targets
            At the same points.
        """
        class_logits, mask_logits = (torch.stack(x).float() for x in zip(*layers))
        part_classes, person_classes = class_logits.split(
            (self.parts, class_logits.shape[2] - self.parts), dim=2
        )
        part_masks, person_masks = mask_logits.split(
            (self.parts, mask_logits.shape[2] - self.parts), dim=2
        )
        allowed = targets.sets[targets.labels].transpose(1, 2)
        return {
            **self._ranked(part_classes[1:], part_masks[1:], allowed, targets),
            **self._part_terms(part_classes, part_masks, allowed, targets),
            **self._person_terms(person_classes, person_masks, targets),
        }

    def _ranked(
        self, class_logits: Tensor, mask_logits: Tensor, allowed: Tensor, targets: Targets
    ) -> dict[str, Tensor]:
        """The terms of what the postprocess ranks; early layers count less."""
        log_chances = rank(class_logits, mask_logits)
        share = torch.full((len(log_chances),), EARLY_LAYER, device=allowed.device)
        share[-1] = 1
        return {
            name: weight * (losses * share).sum()
            for name, weight, losses in (
                ("set", self.terms.label_set, set_loss(log_chances, allowed)),
                ("overlap", self.terms.overlap, set_overlap(log_chances.exp(), targets)),
                (
                    "side",
                    self.terms.side,
                    side_loss(log_chances, allowed, targets.left, self.pairs),
                ),
            )
        }

    def _part_terms(
        self, class_logits: Tensor, mask_logits: Tensor, allowed: Tensor, targets: Targets
    ) -> dict[str, Tensor]:
        """Mask2Former's terms of the part queries: for each class, as far as points are sure."""
        weights, none = self.terms.parts, self.parts + 2
        part = torch.arange(1, self.parts + 1, device=allowed.device)
        shown, absent = (
            x.expand(len(class_logits), -1, -1) for x in (targets.shown, targets.absent)
        )
        surprise = F.cross_entropy(
            class_logits.flatten(0, 2), torch.where(absent, none, part).flatten(), reduction="none"
        ).view_as(shown)
        weight = shown.float() + self.no_object_weight[0] * absent.float()
        by_class = (surprise * weight).sum((1, 2)) / weight.sum((1, 2)).clamp(min=1e-3)

        # An absent class's query says so by its class, and its mask is nobody's business.
        possible = ~targets.absent.unsqueeze(-1)
        members = allowed[:, 1:] & possible
        wrong = F.softplus(mask_logits) * (possible & ~allowed[:, 1:])
        # That one of the members at least says yes; for a single one, its own cross-entropy.
        nobody = (F.softplus(mask_logits) * members).sum(2)
        needed = members.any(1) & ~allowed[:, 0]
        missed = -torch.log(-torch.expm1(-nobody.clamp(min=1e-6))) * needed
        count = possible.sum().clamp(min=1)
        by_mask = (wrong.mean(-1).sum((1, 2)) + missed.mean(-1).sum(1)) / count

        sure = members & (allowed.sum(1, keepdim=True) == 1)
        counted = (sure | ~allowed[:, 1:]).float()
        by_dice = dice(mask_logits, sure.float(), counted) * shown
        by_dice = by_dice.sum((1, 2)) / targets.shown.sum().clamp(min=1)
        return {
            "class": weights.classes * by_class.sum(),
            "mask": weights.mask * by_mask.sum(),
            "dice": weights.dice * by_dice.sum(),
        }

    def _person_terms(
        self, class_logits: Tensor, mask_logits: Tensor, targets: Targets
    ) -> dict[str, Tensor]:
        """Mask2Former's terms of the person queries, matched to persons at known points."""
        weights, device = self.terms.persons, mask_logits.device
        human, none = self.parts + 1, self.parts + 2
        unknown = (targets.persons == UNKNOWN).unsqueeze(1)
        with torch.no_grad():
            # Who stands where persons are not known may be right.
            mass = mask_logits.sigmoid()
            excused = (mass * unknown).sum(-1) > 0.5 * mass.sum(-1)
        mask_logits = mask_logits.masked_fill(unknown, NEVER)
        person = torch.arange(1, max(targets.counts) + 1, device=device)
        masks = (targets.persons[:, None] == person[:, None]).float()
        chances = class_logits.softmax(-1)[..., human]
        chosen = match(chances, mask_logits, masks, targets.counts, weights)
        chosen = chosen.to(device, non_blocking=True)
        matched = chosen != UNMATCHED
        chosen = chosen.clamp(min=0)
        answering = torch.zeros(mask_logits.shape[:3], device=device)
        answering = answering.scatter_add(2, chosen, matched.float()) > 0
        weight = torch.where(answering, 1.0, self.no_object_weight[1] * ~excused)
        surprise = F.cross_entropy(
            class_logits.flatten(0, 2),
            torch.where(answering, human, none).flatten(),
            reduction="none",
        ).view_as(weight)
        by_class = (surprise * weight).sum((1, 2)) / weight.sum((1, 2)).clamp(min=1e-3)

        points = mask_logits.shape[-1]
        found = mask_logits.gather(2, chosen.unsqueeze(-1).expand(-1, -1, -1, points))
        wanted = masks.expand_as(found)
        entropy = F.binary_cross_entropy_with_logits(found, wanted, reduction="none").mean(-1)
        count = matched.sum((1, 2)).clamp(min=1)

        def per_person(losses: Tensor) -> Tensor:
            return ((losses * matched).sum((1, 2)) / count).sum()

        return {
            "person class": weights.classes * by_class.sum(),
            "person mask": weights.mask * per_person(entropy),
            "person dice": weights.dice * per_person(dice(found, wanted)),
        }
