"""Image to network input as the contract's mode ``multi`` says (design: m2fp-facts)."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Tensor


def picture(image: Tensor, size: tuple[int, int], contract: dict) -> np.ndarray:
    """(h, w, 3) uint8: the resized picture that `prepare` made an input of."""
    values = image[0, :, : size[0], : size[1]].numpy().transpose(1, 2, 0)
    values = values * np.float32(contract["std"]) + np.float32(contract["mean"])
    return np.rint(values).astype(np.uint8)


def prepare(rgb: np.ndarray, contract: dict) -> tuple[Tensor, tuple[int, int]]:
    """Resize, normalise and pad one image.

    Parameters
    ----------
    rgb : ndarray
        (H, W, 3) uint8.
    contract : dict
        The ``preprocess`` object of the model's contract, mode ``multi``.

    Returns
    -------
    image : Tensor
        (1, 3, h, w) float32, h and w multiples of ``divisor``.
    resized : (int, int)
        (height, width) of the picture in it; the rest, right and below, is zero.
    """
    height, width = rgb.shape[:2]
    scale = contract["short_side"] / min(height, width)
    scale = min(scale, contract["max_side"] / max(height, width))
    size = tuple(max(1, int(side * scale + 0.5)) for side in (height, width))
    picture = Image.fromarray(rgb).resize(size[::-1], Image.Resampling.BILINEAR)
    values = np.asarray(picture, np.float32)
    values = (values - np.float32(contract["mean"])) / np.float32(contract["std"])
    padding = [(0, -side % contract["divisor"]) for side in size]
    values = np.pad(values, (*padding, (0, 0)))
    return torch.from_numpy(values.transpose(2, 0, 1).copy())[None], size
