"""Command: a sheet of scenes, each as picture, labels and persons."""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

import synthetic
from synthetic.classes import PALETTE, Scene


def panel(scene: Scene) -> np.ndarray:
    """Picture, coloured labels and coloured persons side by side, (H, 3W, 3)."""
    colours = np.random.default_rng(1).integers(60, 256, (256, 3)).astype(np.uint8)
    colours[0] = 0
    return np.concatenate([scene.rgb, PALETTE[scene.labels], colours[scene.persons]], 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.png")
    parser.add_argument("--count", type=int, default=18)
    parser.add_argument("--columns", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--width", type=int, default=224)
    parser.add_argument("--height", type=int, default=256)
    parser.add_argument("--split", choices=("train", "heldout"), default="train")
    parser.add_argument("--plain", action="store_true", help="pictures only")
    parser.add_argument("--people-free", action="store_true", help="scenes without people")
    options = parser.parse_args()
    panels = []
    for seed in range(options.seed, options.seed + options.count):
        scene = synthetic.sample(
            seed, options.width, options.height, options.split, options.people_free
        )
        panels.append(scene.rgb if options.plain else panel(scene))
    panels += [np.zeros_like(panels[0])] * (-len(panels) % options.columns)
    rows = [
        np.concatenate(panels[i : i + options.columns], 1)
        for i in range(0, len(panels), options.columns)
    ]
    cv2.imwrite(str(options.out), np.concatenate(rows)[:, :, ::-1])
