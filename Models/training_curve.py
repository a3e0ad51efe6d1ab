#!/usr/bin/env python3
"""Plot a run's losses and validation to training-curve.png, and keep the figures as CSV."""

from __future__ import annotations

import argparse
import csv
import shutil
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

LOSSES = ("class", "mask", "dice", "pixel", "centre")
SCORES = ("miou", "accuracy", "person_iou")


def columns(path: Path) -> dict[str, list[float]]:
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    return {name: [float(row[name]) for row in rows] for name in rows[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, required=True, help="the --out folder of train.py")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    arguments = parser.parse_args()

    loss, validation = (columns(arguments.run / f"{x}.csv") for x in ("loss", "validation"))
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
    seen, validated = ([n / 1000 for n in x["images"]] for x in (loss, validation))
    for name in LOSSES:
        left.plot(seen, loss[name], label=name, linewidth=1)
    left.set(yscale="log", xlabel="thousand images seen", title="weighted losses, summed over layers")
    for name in SCORES:
        right.plot(validated, validation[name], label=name, marker=".", linewidth=1)
    right.set(ylim=(0, 1), xlabel="thousand images seen", title="held-out renders")
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    figure.savefig(arguments.out / "training-curve.png", dpi=110)
    shutil.copy(arguments.run / "validation.csv", arguments.out / "training-curve.csv")


if __name__ == "__main__":
    main()
