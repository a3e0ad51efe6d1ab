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


@dataclasses.dataclass(frozen=True)
class CropCase:
    """A photo, and boxes of it (x, y, width, height) that are parsed as well, all in inputs of one size."""

    photo: Case
    boxes: tuple[tuple[int, int, int, int], ...]
    # Whether outside of all boxes is background, as SCHP has it, or what the photo's logits say.
    background: bool


CROP_CASES = (
    CropCase(
        Case("crops", 4, (64, 48), (150, 97)),
        ((10, 20, 40, 100), (35, 60, 62, 90), (0, 0, 30, 33), (45, 70, 7, 5)),
        background=True,
    ),
    CropCase(
        Case("crops-warped", 4, (89, 89), (130, 97), align_corners=True, warped=True),
        ((0, 0, 97, 60), (20, 30, 50, 100)),
        background=False,
    ),
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


def at_photo(logits: torch.Tensor, case: Case) -> torch.Tensor:
    """Logits (1, C, h, w) at the photo's size, (C, H, W), in double precision."""
    x0, y0, x1, y1 = case.crop or (0, 0, case.network[1], case.network[0])
    at_input = F.interpolate(
        logits.double(), size=case.network, mode="bilinear", align_corners=case.align_corners
    )
    if case.warped:
        return warp_back(at_input[0], case.photo)
    return F.interpolate(
        at_input[:, :, y0:y1, x0:x1], size=case.photo, mode="bilinear", align_corners=False
    )[0]


def fused(photo: torch.Tensor, crops: list[torch.Tensor], case: CropCase) -> torch.Tensor:
    """Logits (C, H, W) of a photo and its crops as SCHP puts them together."""
    total, count = torch.zeros_like(photo), torch.zeros_like(photo[0])
    total[0] = torch.inf
    for (x, y, width, height), crop in zip(case.boxes, crops):
        place = (slice(y, y + height), slice(x, x + width))
        count[place] += 1
        total[0][place] = torch.minimum(total[0][place], crop[0])
        for plane, added in zip(total[1:], crop[1:]):
            plane[place] += added
    total[1:] /= count.clamp(min=1)
    return photo + total if case.background else torch.where(count > 0, photo + total, photo)


def save(name: str, logits: list[torch.Tensor], result: torch.Tensor) -> None:
    best, labels = result.topk(2, dim=0)
    undecided = best[0] - best[1] < MARGIN
    labels = labels[0].to(torch.uint8).masked_fill(undecided, UNDECIDED)
    (FOLDER / f"{name}.logits.f32").write_bytes(b"".join(x.numpy().tobytes() for x in logits))
    (FOLDER / f"{name}.labels.u8").write_bytes(labels.numpy().tobytes())
    print(f"{name}: {int(undecided.sum())} undecided, {labels.unique().tolist()}")


def describe(case: Case, grid: torch.Size) -> dict:
    return {
        "name": case.name,
        "stride": case.stride,
        "align_corners": case.align_corners,
        "grid": list(grid),
        "network": list(case.network),
        "crop": list(case.crop or (0, 0, case.network[1], case.network[0])),
        "photo": list(case.photo),
        "warped": case.warped,
    }


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    index, crops = [], []
    for seed, case in enumerate(CASES):
        logits = make_logits(case, seed)
        save(case.name, [logits], at_photo(logits, case))
        index.append(describe(case, logits.shape[2:]))
    for number, case in enumerate(CROP_CASES):
        pieces = [case.photo] + [
            dataclasses.replace(case.photo, photo=(height, width)) for *_, width, height in case.boxes
        ]
        logits = [make_logits(x, 100 * (number + 1) + seed) for seed, x in enumerate(pieces)]
        resized = [at_photo(*x) for x in zip(logits, pieces)]
        save(case.photo.name, logits, fused(resized[0], resized[1:], case))
        crops.append(
            {
                "photo": describe(case.photo, logits[0].shape[2:]),
                "boxes": case.boxes,
                "outside": "background" if case.background else "whole",
            }
        )
    (FOLDER / "index.json").write_text(json.dumps(index, indent=1) + "\n")
    (FOLDER / "crops.json").write_text(json.dumps(crops, indent=1) + "\n")


if __name__ == "__main__":
    main()
