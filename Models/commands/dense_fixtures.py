"""Write Tests/Fixtures/dense: logits of dense networks, and the maps that torch makes of them.

The format is described in the README.md beside the files.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F

FOLDER = Path(__file__).resolve().parents[2] / "Tests" / "Fixtures" / "dense"
CLASSES = 6
# Pixels whose two best logits are this close may have either class.
MARGIN = 1e-4
UNDECIDED = 255


@dataclasses.dataclass(frozen=True)
class Case:
    """Sizes are (height, width)."""

    name: str
    stride: int
    network: tuple[int, int]
    photo: tuple[int, int]
    # (x0, y0, x1, y1) of the photo in the network's input; all of it if none.
    crop: tuple[int, int, int, int] | None = None
    align_corners: bool = False
    # The photo was warped into the input as SCHP does, and is warped back by OpenCV.
    warped: bool = False


CASES = (
    Case("stretched", 4, (64, 48), (150, 97)),
    Case("stretched-reduced", 4, (96, 96), (41, 61)),
    Case("corners-aligned", 8, (112, 96), (203, 140), align_corners=True),
    Case("padded", 4, (64, 96), (97, 180), (0, 0, 93, 50)),
    Case("centred", 8, (96, 64), (90, 43), (10, 3, 53, 93), align_corners=True),
    Case("every-pixel", 1, (33, 40), (99, 120)),
    Case("begun-strides", 16, (70, 90), (140, 180)),
    Case("warped", 4, (89, 89), (130, 97), align_corners=True, warped=True),
    Case("warped-reduced", 4, (64, 48), (31, 60), align_corners=True, warped=True),
)


def make_logits(case: Case, seed: int) -> torch.Tensor:
    """Logits (1, C, h, w): smooth, with noise, of both signs."""
    generator = torch.Generator().manual_seed(seed)
    height, width = (-(-side // case.stride) for side in case.network)
    coarse = torch.randn(1, CLASSES, 4, 4, generator=generator) * 6
    smooth = F.interpolate(coarse, size=(height, width), mode="bicubic", align_corners=True)
    return smooth + 0.5 * torch.randn(1, CLASSES, height, width, generator=generator)


def warp_back(logits: torch.Tensor, photo: tuple[int, int]) -> torch.Tensor:
    """Logits (C, H, W) at a photo that fills the input from its first pixel's centre to its last's."""
    height, width = logits.shape[1:]
    rows, columns = photo
    step = (width - 1) / max(columns - 1, (rows - 1) * width / height)
    matrix = np.array(
        [
            [step, 0, (width - 1) / 2 - (columns - 1) / 2 * step],
            [0, step, (height - 1) / 2 - (rows - 1) / 2 * step],
        ]
    )
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    planes = [cv2.warpAffine(x, matrix, (columns, rows), flags=flags) for x in logits.numpy()]
    return torch.from_numpy(np.stack(planes))


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    index = []
    for seed, case in enumerate(CASES):
        logits = make_logits(case, seed)
        x0, y0, x1, y1 = case.crop or (0, 0, case.network[1], case.network[0])
        at_input = F.interpolate(
            logits.double(), size=case.network, mode="bilinear", align_corners=case.align_corners
        )
        if case.warped:
            at_photo = warp_back(at_input[0], case.photo)
        else:
            at_photo = F.interpolate(
                at_input[:, :, y0:y1, x0:x1], size=case.photo, mode="bilinear", align_corners=False
            )[0]
        best, labels = at_photo.topk(2, dim=0)
        undecided = best[0] - best[1] < MARGIN
        labels = labels[0].to(torch.uint8).masked_fill(undecided, UNDECIDED)
        (FOLDER / f"{case.name}.logits.f32").write_bytes(logits.numpy().tobytes())
        (FOLDER / f"{case.name}.labels.u8").write_bytes(labels.numpy().tobytes())
        index.append(
            {
                "name": case.name,
                "stride": case.stride,
                "align_corners": case.align_corners,
                "grid": list(logits.shape[2:]),
                "network": list(case.network),
                "crop": [x0, y0, x1, y1],
                "photo": list(case.photo),
                "warped": case.warped,
            }
        )
        print(f"{case.name}: {int(undecided.sum())} undecided, {labels.unique().tolist()}")
    (FOLDER / "index.json").write_text(json.dumps(index, indent=1) + "\n")


if __name__ == "__main__":
    main()
