"""Write Tests/Fixtures/masks: masks, and what OpenCV and SciPy make of them."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
from scipy import ndimage
from scipy.spatial import ConvexHull

FOLDER = Path(__file__).resolve().parents[2] / "Tests" / "Fixtures" / "masks"
SIZES = ((64, 50), (31, 77), (1, 40), (40, 1))  # (width, height)
CROSS, SQUARE = ndimage.generate_binary_structure(2, 1), np.ones((3, 3), bool)


def blobs(size: tuple[int, int], seed: int) -> np.ndarray:
    """(H, W) bool: regions of all sizes with holes, some of both at the edges."""
    width, height = size
    rng = np.random.default_rng(seed)
    coarse = ndimage.gaussian_filter(rng.normal(size=(height, width)), 3)
    fine = ndimage.gaussian_filter(rng.normal(size=(height, width)), 0.7)
    return coarse / coarse.std() + 0.6 * fine / fine.std() > 0.2


def regions(mask: np.ndarray, structure: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The number of each pixel's region, 0 outside, and the pixels of each."""
    numbers, _ = ndimage.label(mask, structure)
    return numbers, np.bincount(numbers.ravel())


def fill_holes(mask: np.ndarray, most: int | None) -> np.ndarray:
    filled = ndimage.binary_fill_holes(mask)
    if most is None:
        return filled
    numbers, counts = regions(filled & ~mask, CROSS)
    return mask | ((numbers > 0) & (counts[numbers] <= most))


def min_region(mask: np.ndarray, least: int) -> np.ndarray:
    numbers, counts = regions(mask, SQUARE)
    return mask & (counts[numbers] >= least)


def disc(radius: float) -> np.ndarray:
    reach = np.arange(-int(radius), int(radius) + 1)
    return (reach**2 + reach[:, None] ** 2 <= radius**2).astype(np.uint8)


def hulls(mask: np.ndarray) -> np.ndarray:
    """The pixels whose centres lie in the convex hull of a region's centres."""
    numbers, count = ndimage.label(mask, SQUARE)
    result = mask.copy()
    points = np.argwhere(np.ones_like(mask))
    for number in range(1, count + 1):
        own = np.argwhere(numbers == number)
        if len(own) < 3 or np.linalg.matrix_rank(own - own[0]) < 2:
            continue  # a line is its own hull
        sides = ConvexHull(own).equations
        inside = (points @ sides[:, :2].T + sides[:, 2] <= 1e-9).all(1)
        result |= inside.reshape(mask.shape)
    return result


def made(mask: np.ndarray) -> dict[str, np.ndarray]:
    """What becomes of a mask, by operation and its number."""
    grey = mask.astype(np.uint8)
    result = {"fill-holes": fill_holes(mask, None), "hulls": hulls(mask)}
    result |= {f"fill-holes {most}": fill_holes(mask, most) for most in (1, 6, 30)}
    result |= {f"min-region {least}": min_region(mask, least) for least in (2, 8, 60)}
    result |= {f"smooth {r}": cv2.medianBlur(grey, 2 * r + 1) for r in (1, 2, 5)}
    for radius in (1, 2.5, 4, 9):
        result[f"grow {radius}"] = cv2.dilate(grey, disc(radius))
        result[f"shrink {radius}"] = cv2.erode(grey, disc(radius))
    return result


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    index = []
    for seed, (width, height) in enumerate(SIZES):
        mask = blobs((width, height), seed)
        results = made(mask)
        stack = np.stack([mask, *results.values()]).astype(np.uint8)
        name = f"{width}x{height}.u8"
        stack.tofile(FOLDER / name)
        index.append(
            {"file": name, "width": width, "height": height, "operations": list(results)}
        )
    (FOLDER / "index.json").write_text(json.dumps(index, indent=1) + "\n")
    (FOLDER / "README.md").write_text(
        "Made by `/usr/bin/python3 Models mask_fixtures`, with OpenCV and SciPy. A file of `index.json`\n"
        "holds masks of one byte a pixel, row by row: the first is what the others are made of, in the\n"
        "order of `operations`.\n"
    )
