"""Write Tests/Fixtures/golden: raw network outputs, and what ModelScope's postprocess makes of them.

The format is described in the README.md beside the files.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path

import torch
import torch.nn.functional as F

from m2fp.config import CONFIGS
from m2fp.contract import CLASSES, for_dataset
from reference.modelscope import Reference, enter_environment

FOLDER = Path(__file__).resolve().parents[2] / "Tests" / "Fixtures" / "golden"
# No pixel and no score may be this close to a threshold or a tie: float32 rounds at 1e-7, and
# another order of the same operations must give the same answer.
MARGIN = 2e-6
SCORE_MARGIN = 1e-4


@dataclasses.dataclass(frozen=True)
class Case:
    """Sizes are (height, width)."""

    name: str
    # Of the network's input before padding, and of the photo.
    image: tuple[int, int]
    output: tuple[int, int]
    queries: int
    # Logit that a query's own class gets on top of noise: low values give several classes a query.
    confidence: float
    # (x0, y0, x1, y1) of the photo in the network's input; makes the case single-person.
    crop: tuple[int, int, int, int] | None = None

    @property
    def padded(self) -> tuple[int, int]:
        return tuple(-(-size // 32) * 32 for size in self.image)


CASES = (
    Case("parsing-enlarged", (122, 160), (150, 197), 24, 6.0),
    Case("parsing-reduced", (160, 107), (61, 41), 24, 6.0),
    Case("parsing-same-size", (96, 128), (96, 128), 20, 5.0),
    Case("parsing-unsure", (70, 94), (140, 188), 60, 2.5),
    Case("parsing-nothing", (64, 64), (50, 50), 8, -2.0),
    Case("semantic-enlarged", (128, 96), (192, 117), 20, 5.0, (9, 0, 87, 128)),
    Case("semantic-reduced", (128, 96), (40, 60), 20, 4.0, (0, 32, 96, 96)),
    Case("semantic-not-resized", (128, 96), (71, 55), 20, 5.0, (20, 28, 75, 99)),
)


def make_outputs(case: Case, seed: int, num_classes: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Class logits (1, Q, C+1) and smooth mask logits (1, Q, h, w), exact in half precision."""
    generator = torch.Generator().manual_seed(seed)

    def noise(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator)

    height, width = (size // 4 for size in case.padded)
    logits = noise(1, case.queries, num_classes + 1)
    # Background, Human and "no object" often, as in real outputs.
    favourites = torch.randint(0, num_classes + 1, (case.queries,), generator=generator)
    favourites[0] = 0
    favourites[1:4] = num_classes - 1
    favourites[4] = num_classes
    # Two instances of one class that overlap, as two persons' hair would.
    favourites[5:7] = 2
    logits[0, torch.arange(case.queries), favourites] += case.confidence
    if case.name == "parsing-nothing":
        logits[..., -1] += 20
    coarse = noise(1, case.queries, 5, 6)
    masks = F.interpolate(coarse, size=(height, width), mode="bicubic") * 9
    masks = masks + 0.4 * noise(1, case.queries, height, width)
    masks = masks - 5 * torch.rand(1, case.queries, 1, 1, generator=generator)
    # One mask without a positive pixel: its score is zero, whatever its class says.
    masks[0, 7] = -masks[0, 7].abs() - 0.5
    return logits.half().float(), masks.half().float()


def is_ambiguous(case: Case, outputs: dict, result: dict) -> bool:
    """Whether rounding could change what the reference found."""
    top, _ = result["semantic"].topk(2, dim=0)
    tied = (top[0] - top[1]).abs() < MARGIN
    if case.crop is not None:
        return bool(tied.any())
    if (tied & (top[0] > 0)).any():
        return True
    classes = outputs["pred_logits"].softmax(-1)[0, :, :-1].flatten().sort(descending=True)[0]
    if len(classes) > 100 and classes[99] - classes[100] < SCORE_MARGIN * classes[99]:
        return True
    for found in result["parts"] + result["humans"]:
        score, mask = found["score"], found["mask"]
        if min(abs(score - 0.1), abs(score - 0.5)) < SCORE_MARGIN:
            return True
        if (mask.abs() < 1e-5).any() or ((mask.sigmoid() * score - 0.5).abs() < MARGIN).any():
            return True
    return False


def describe(found: dict) -> dict:
    rows, columns = torch.where(found["mask"] > 0)
    box = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    return {
        "label": found["category_id"],
        "score": found["score"],
        "pixels": len(rows),
        "box": [int(x) for x in box],
    }


def run(case: Case, reference: Reference, num_classes: int) -> dict:
    """Find outputs whose result no rounding changes, write them, and return the index entry."""
    network = reference.network
    network.num_queries, network.num_classes = case.queries, num_classes
    network.test_topk_per_image = min(100, case.queries * num_classes)
    for seed in range(1000):
        logits, masks = make_outputs(case, seed, num_classes)
        outputs = {"pred_logits": logits, "pred_masks": masks}
        image = {"height": case.output[0], "width": case.output[1], "crop_box": case.crop}
        images = type("Images", (), {})()
        images.tensor = torch.zeros(1, 3, *case.padded)
        images.image_sizes = [case.image]
        result = reference.postprocess(
            {"outputs": dict(outputs), "batched_inputs": [image], "images": images}
        )
        if not is_ambiguous(case, outputs, result):
            break
    else:
        raise RuntimeError(f"{case.name}: every seed is ambiguous")
    (FOLDER / f"{case.name}.logits.f32").write_bytes(logits.numpy().astype("<f4").tobytes())
    (FOLDER / f"{case.name}.masks.f32").write_bytes(masks.numpy().astype("<f4").tobytes())
    (FOLDER / f"{case.name}.labels.u8").write_bytes(result["labels"].tobytes())
    order = sorted(result["parts"] + result["humans"], key=lambda x: -x["score"])
    print(
        f"{case.name}: seed {seed}, {len(result['parts'])} parts, {len(result['humans'])} humans,"
        f" classes {sorted(set(result['labels'].flatten().tolist()))}"
    )
    return {
        "name": case.name,
        "mode": "parsing" if case.crop is None else "semantic",
        "queries": case.queries,
        "network_classes": num_classes + 1,
        "mask_size": [size // 4 for size in case.padded],
        "network_size": list(case.padded),
        "image_size": list(case.image),
        "crop": None if case.crop is None else list(case.crop),
        "output_size": list(case.output),
        "parts": [describe(x) for x in order if x["category_id"] < 20],
        "humans": [describe(x) for x in order if x["category_id"] == 20],
        "class_scores": result["scores"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--environment", type=Path, help="keep ModelScope's here")
    arguments = parser.parse_args()
    enter_environment(arguments.environment)
    torch.set_num_threads(1)
    FOLDER.mkdir(parents=True, exist_ok=True)
    index = []
    small = dataclasses.replace(
        CONFIGS["m2fp-r50"], hidden_dim=32, mask_dim=32, encoder_layers=1, decoder_layers=1
    )
    for dataset, single in (("cihp", False), ("lip", True)):
        config = for_dataset(small, dataset)
        reference = Reference(config, CLASSES[dataset], single)
        for case in CASES:
            if (case.crop is not None) == single:
                index.append(run(case, reference, config.num_classes))
    (FOLDER / "index.json").write_text(json.dumps(index, indent=1) + "\n")
