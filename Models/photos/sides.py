"""What a trained network says of left and right on photos whose labels do not tell.

Labels say "skin" and "shoes"; a loss on sets alone lets one side swallow the other. So the network
that training starts from is asked once, on each whole photo and its mirror image, and its opinion
is kept beside the photo, as `samples.Sample.left`.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from m2fp.criterion import PAIRS, SHARPNESS, rank
from m2fp.model import M2FP
from m2fp.preprocess import prepare
from m2fp.samples import UNKNOWN_SIDE
from synthetic.classes import MIRRORED

from .street import read_image

SMALLEST_CHANCE = 0.05  # of a pair, below which there is no opinion
SURE = 0.2  # of a whole piece, below which or above whose complement it lies on one side
SMALLEST_PIECE = 12  # pixels


@torch.no_grad()
def chances(model: M2FP, rgb: np.ndarray, preprocess: dict) -> Tensor:
    """Chances (20, H, W) of the classes at a picture's pixels, mean of it and its mirror image."""
    device = next(model.parameters()).device
    total = 0
    for mirrored in (False, True):
        picture = np.ascontiguousarray(rgb[:, ::-1]) if mirrored else rgb
        image, resized = prepare(picture, preprocess)
        logits, masks = model(image.to(device))
        log_chances = rank(logits[:, : model.config.num_queries].float(),
                           masks[:, : model.config.num_queries].float().flatten(2))
        found = (log_chances / SHARPNESS).softmax(1).unflatten(2, masks.shape[2:])
        found = torch.nn.functional.interpolate(
            found, image.shape[2:], mode="bilinear", align_corners=False
        )[:, :, : resized[0], : resized[1]]
        if mirrored:
            found = found[:, MIRRORED.tolist()].flip(3)
        total = total + found
    return torch.nn.functional.interpolate(
        total / 2, rgb.shape[:2], mode="bilinear", align_corners=False
    )[0].cpu()


def opinion(found: np.ndarray) -> np.ndarray:
    """`Sample.left` (H, W) uint8 from chances (20, H, W) of the classes.

    Pieces of one pair that lie clearly on one side do so as a whole.
    """
    pairs = np.stack([found[a] + found[b] for a, b in PAIRS])
    best = pairs.argmax(0)
    said = pairs.max(0) > SMALLEST_CHANCE
    result = np.full(best.shape, UNKNOWN_SIDE, np.uint8)
    for number, (left, _) in enumerate(PAIRS):
        own = (best == number) & said
        share = found[left] / np.maximum(pairs[number], 1e-6)
        count, pieces = cv2.connectedComponents(own.astype(np.uint8), connectivity=4)
        flat = pieces.ravel()
        weight = np.bincount(flat, pairs[number].ravel(), count)
        mean = np.bincount(flat, (share * pairs[number]).ravel(), count) / np.maximum(weight, 1e-6)
        area = np.bincount(flat, minlength=count)
        whole = (np.abs(mean - 0.5) > 0.5 - SURE) & (area >= SMALLEST_PIECE)
        share = np.where(whole[pieces], mean[pieces].round(), share)
        result[own] = np.round(255 * share[own])
    return result


def teach(model: M2FP, preprocess: dict, paths: list[Path], folder: Path) -> None:
    """Write the opinion on each photo to ``folder``, as PNG, unless it is there."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in paths:
        file = folder / f"{path.stem}.png"
        if not file.exists():
            left = opinion(chances(model, read_image(path), preprocess).numpy())
            temporary = file.with_suffix(".part.png")
            cv2.imwrite(str(temporary), left)
            temporary.replace(file)
