"""Plot a run's losses, and its validation if there is any, to training-curve.png; keep the latter
as CSV."""

from __future__ import annotations

import argparse
import csv
import shutil
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

NOT_LOSSES = ("minutes", "step", "images", "rate")
SCORES = ("miou", "accuracy", "person_iou")


def columns(path: Path) -> dict[str, list[float]]:
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    return {name: [float(row[name]) for row in rows] for name in rows[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, required=True, help="the --out folder of train")
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1])
    arguments = parser.parse_args()

    loss = columns(arguments.run / "loss.csv")
    validation = arguments.run / "validation.csv"
    panels = 1 + validation.exists()
    figure, axes_of = plt.subplots(
        1, panels, figsize=(4.5 * panels, 3.2), layout="constrained", squeeze=False
    )
    left, right = axes_of[0, 0], axes_of[0, -1]
    seen = [n / 1000 for n in loss["images"]]
    for name in loss:
        if name not in NOT_LOSSES:
            left.plot(seen, loss[name], label=name, linewidth=1)
    left.set(yscale="log", xlabel="thousand images seen", title="weighted losses, summed over layers")
    if validation.exists():
        scores = columns(validation)
        validated = [n / 1000 for n in scores["images"]]
        for name in SCORES:
            right.plot(validated, scores[name], label=name, marker=".", linewidth=1)
        right.set(ylim=(0, 1), xlabel="thousand images seen", title="held-out renders")
        shutil.copy(validation, arguments.out / "training-curve.csv")
    for axes in axes_of[0]:
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    figure.savefig(arguments.out / "training-curve.png", dpi=110)
