"""Command: renders scenes ahead into shards. Resumable: a shard that exists is skipped."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import cv2

import synthetic
from synthetic import shards

SHAPES = ((1, 1), (5, 4), (4, 5), (4, 3), (3, 4), (3, 2), (2, 3))
"""Aspect ratios, width to height, taken in turn."""


def size_of(seed: int, low: int, high: int) -> tuple[int, int]:
    """Width and height of a seed's scene: multiples of 32 whose long side lies in [low, high]."""
    across, down = SHAPES[seed % len(SHAPES)]
    steps = (high - low) // 32 + 1
    long = low + 32 * (seed // len(SHAPES) % steps)
    scale = long / max(across, down)
    return max(32, round(across * scale / 32) * 32), max(32, round(down * scale / 32) * 32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, required=True, help="scenes in all")
    parser.add_argument(
        "--size", default="256..384", metavar="LOW..HIGH", help="range of the long side, pixels"
    )
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--shard", type=int, default=240, help="scenes a shard")
    parser.add_argument("--split", choices=("train", "heldout"), default="train")
    parser.add_argument(
        "--people-free", action="store_true", help="leave the people out: what is not a person"
    )
    options = parser.parse_args()
    low, high = (int(v) for v in options.size.split(".."))
    if not 32 <= low <= high:
        parser.error(f"--size {options.size}: want LOW..HIGH with 32 <= LOW <= HIGH")
    options.out.mkdir(parents=True, exist_ok=True)
    cv2.setNumThreads(1)
    for start in range(options.seed, options.seed + options.count, options.shard):
        path = options.out / f"{start:08d}.npz"
        if path.exists():
            continue
        seeds = range(start, min(start + options.shard, options.seed + options.count))
        began = time.monotonic()
        scenes = (
            synthetic.sample(s, *size_of(s, low, high), options.split, options.people_free)
            for s in seeds
        )
        shards.write(path, seeds, scenes)
        print(f"{path.name}: {len(seeds) / (time.monotonic() - began):.1f} images/s", flush=True)
