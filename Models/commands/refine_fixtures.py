"""Write Tests/Fixtures/refine: network outputs, pictures, and the clean masks made of them.

The reference is `m2fp/refine.py`, whose docstring is the specification; the README.md beside the files
describes their format.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch

from m2fp import refine
from m2fp.config import CONFIGS, Refinement
from m2fp.contract import make_contract
from m2fp.postprocess import parse

FOLDER = Path(__file__).resolve().parents[2] / "Tests" / "Fixtures" / "refine"
QUERIES, PERSONS = 8, 2
CLASSES = (2, 5, 5, 9, 13, 4)  # of the part queries: two share a class
# The pictures are small, and every step has to do something in them.
OPTIONS = Refinement(
    radius=3, epsilon=1e-3, fill_threshold=0.25, hole_area=0.01, island_area=0.005, least_cover=0.4
)
# A pixel closer to a threshold or a tie than this could go either way by rounding.
MARGIN = 3e-6


class Case(NamedTuple):
    """Sizes are (height, width)."""

    name: str
    image: tuple[int, int]  # of the network's input before padding
    output: tuple[int, int]  # of the photo


CASES = (
    Case("enlarged", (96, 122), (150, 191)),
    Case("reduced", (90, 64), (45, 32)),
    Case("same-size", (64, 96), (64, 96)),
    Case("tiny", (5, 64), (5, 64)),  # lower than the filter's window
    Case("nobody", (64, 64), (70, 70)),  # parts, but no person: everything is a stray
)


def padded(size: tuple[int, int]) -> tuple[int, int]:
    return tuple(-(-side // 32) * 32 for side in size)


def make_case(case: Case, seed: int) -> tuple[torch.Tensor, torch.Tensor, np.ndarray]:
    """Class logits (Q, C+1), mask logits (Q, h, w) and the resized picture (h, w, 3) uint8.

    Blobs with holes and crumbs, and a picture whose edges lie near theirs.
    """
    rng = np.random.default_rng(seed)
    height, width = (side // 4 for side in padded(case.image))

    def smooth(spread: float, count: int, rows: int, columns: int) -> np.ndarray:
        noise = rng.standard_normal((count, rows, columns)).astype(np.float32)
        planes = [cv2.GaussianBlur(plane, (0, 0), spread) for plane in noise]
        return np.stack([plane / plane.std() for plane in planes])

    masks = 2.5 * smooth(4.0, QUERIES, height, width) + 1.2 * smooth(0.8, QUERIES, height, width)
    masks[-PERSONS:] += 1.5
    masks[-PERSONS:, :, 2 * width // 3 :] = -6  # strays
    masks[:-PERSONS, :, 2 * width // 3 - 1] = -6  # apart from the rest
    for _ in range(4):  # holes
        y, x = rng.integers(height), rng.integers(width)
        masks[:-PERSONS, y, x] = -6
    classes = [*CLASSES, *([20] * PERSONS)]
    if case.name == "nobody":
        masks[-PERSONS:] = -5
    logits = rng.normal(0, 0.5, (QUERIES, 22))
    logits[np.arange(QUERIES), classes] += 7
    coarse = cv2.resize(masks[:3].transpose(1, 2, 0), case.image[::-1])
    rgb = 128 + 40 * np.sign(coarse) + rng.normal(0, 8, coarse.shape)
    half = (torch.from_numpy(x).half().float() for x in (logits, masks))
    return *half, rgb.clip(0, 255).astype(np.uint8)


def steps(case: Case, logits, masks, rgb, contract: dict):
    """Places of refined queries, their logits, the label map before the merge, and `parse`'s answer;
    and whether rounding could change any of them."""
    calls = []

    def record(*arguments):
        calls.append(arguments)
        return original(*arguments)

    original = refine.refine
    try:
        refine.refine = record
        found = parse(logits, masks, padded(case.image), case.image, case.output, contract, rgb)
    finally:
        refine.refine = original
    (own, labels, scores, grey, covered, threshold, options), = calls
    refined = original(own, labels, scores, grey, covered, threshold, options)
    chances = scores[:, None, None] / (1 + np.exp(-refined))
    ranked = np.sort(
        refine.guided_filter(
            grey, scores[:, None, None] / (1 + np.exp(-own)), options.radius, options.epsilon
        ),
        axis=0,
    )
    doubtful = np.abs(ranked[-1] - threshold) < MARGIN
    doubtful |= covered & (np.abs(ranked[-1] - options.fill_threshold) < MARGIN)
    doubtful |= (ranked[-1] - ranked[-2] < MARGIN) & (ranked[-1] > options.fill_threshold)
    clean = refine.best_labels(chances, labels, threshold).astype(np.uint8)
    return labels, scores, refined, clean, found, bool(doubtful.any())


def main() -> None:
    config = dataclasses.replace(CONFIGS["m2fp-tiny"], refine=OPTIONS)
    contract = make_contract(config, "cihp", "", "", "")["postprocess"]
    FOLDER.mkdir(parents=True, exist_ok=True)
    index = []
    for case in CASES:
        for seed in range(2000):
            logits, masks, rgb = make_case(case, seed)
            labels, scores, refined, clean, found, doubtful = steps(
                case, logits, masks, rgb, contract
            )
            if not doubtful:
                break
        else:
            raise RuntimeError(f"{case.name}: every seed is ambiguous")
        for suffix, values, kind in (
            ("logits.f32", logits.numpy(), "<f4"), ("masks.f32", masks.numpy(), "<f4"),
            ("picture.u8", rgb, "u1"), ("clean.u8", clean, "u1"),
            ("labels.u8", found.labels.numpy(), "u1"),
        ):  # fmt: skip
            (FOLDER / f"{case.name}.{suffix}").write_bytes(values.astype(kind).tobytes())
        # Enough to tell a wrong filter: every fifth pixel of every fifth row.
        samples = refined[:, ::5, ::5].astype("<f4")
        (FOLDER / f"{case.name}.refined.f32").write_bytes(samples.tobytes())
        index.append({
            "name": case.name,
            "queries": QUERIES,
            "network_classes": 22,
            "mask_size": [side // 4 for side in padded(case.image)],
            "network_size": list(padded(case.image)),
            "image_size": list(case.image),
            "output_size": list(case.output),
            "refined_classes": labels.tolist(),
            "refined_scores": [round(float(x), 6) for x in scores],
        })  # fmt: skip
        print(f"{case.name}: seed {seed}, classes {np.unique(found.labels.numpy()).tolist()}")
    (FOLDER / "index.json").write_text(
        json.dumps({"contract": contract, "cases": index}, indent=1) + "\n"
    )
