"""Networks that were trained before, as teachers of the names of what people wear.

Labels of few photos let a training wander between names for the same cloth, each to another end.
What several such networks say of a picture and its mirror image wanders less (Hinton et al. 2015,
"Distilling the knowledge in a neural network").
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from synthetic.classes import BACKGROUND, MIRRORED

from . import checkpoint
from .config import Config
from .criterion import rank, sample
from .model import M2FP


class Teachers(nn.Module):
    """Asks one network, drawn anew for each batch, about the pictures or about their mirror images.

    A cross-entropy is linear in its target: over many batches it is that with the mean of all.

    Parameters
    ----------
    models : list of M2FP
        Of one configuration; they do not learn.
    """

    def __init__(self, models: list[M2FP]):
        super().__init__()
        self.models = nn.ModuleList(models).eval().requires_grad_(False)

    @classmethod
    def read(cls, config: Config, paths: list[Path]) -> Teachers:
        """The networks of some checkpoints."""
        models = [M2FP(config) for _ in paths]
        for model, path in zip(models, paths):
            checkpoint.load_strictly(model, checkpoint.read_state_dict(path))
        return cls(models)

    @torch.no_grad()
    def forward(self, images: Tensor, points: Tensor) -> Tensor:
        """Chances (B, C + 1, P) of the classes at points (B, P, 2) of normalised images."""
        model = self.models[torch.randint(len(self.models), ())]
        mirrored = bool(torch.rand(()) < 0.5)
        logits, masks = model(images.flip(3) if mirrored else images)
        if mirrored:
            masks = masks.flip(3)
        parts = model.config.num_queries
        found = rank(logits[:, :parts].float(), sample(masks[:, :parts].float(), points)).exp()
        return found[:, MIRRORED.tolist()] if mirrored else found


def teacher_loss(log_chances: Tensor, taught: Tensor, allowed: Tensor) -> Tensor:
    """Cross-entropy of people's classes with what teachers say of them.

    Who is a person labels tell better, so the background is left out on both sides. A point counts
    as much as its teacher agrees with the label.

    Parameters
    ----------
    log_chances, taught, allowed : Tensor
        (B, C + 1, P): what `criterion.rank` gives, the teacher's chances, and the label sets.
    """
    person = ~allowed[:, BACKGROUND]
    taught, allowed = taught[:, 1:], allowed[:, 1:]
    taught = taught / taught.sum(1, keepdim=True).clamp(min=1e-6)
    surprise = -(taught * log_chances[:, 1:].log_softmax(1)).sum(1)
    weight = (taught * allowed).sum(1) * person
    return (weight * surprise).sum() / weight.sum().clamp(min=1)
