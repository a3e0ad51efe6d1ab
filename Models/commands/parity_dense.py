"""Compare dense networks with the published code: logits of seeded weights, and maps of photos.

SegFormer with Hugging Face's `transformers`, from the network to what `m2fp parse` writes.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageOps
from torch import nn

from commands import export_dense
from commands.parity import LABEL_TOLERANCE, LOGIT_TOLERANCE, Comparison
from dense import segformer
from m2fp import checkpoint

ROOT = Path(__file__).resolve().parents[2]
CLASSES = 18
# Heights and widths; the last is the published weights'.
SIZES = ((256, 192), (128, 224), (512, 512))
# Networks that photos go through as well: the whole way is the same for all.
PARSED = ("segformer-b0", "segformer-b2")
SIDE = 512


def theirs(name: str) -> nn.Module:
    """Hugging Face's network with weights that let every layer matter."""
    from transformers import SegformerConfig, SegformerForSemanticSegmentation

    config = segformer.CONFIGS[name]
    network = SegformerForSemanticSegmentation(
        SegformerConfig(
            depths=list(config.depths),
            hidden_sizes=list(config.widths),
            decoder_hidden_size=config.decoder,
            num_labels=CLASSES,
        )
    ).eval()
    generator = torch.Generator().manual_seed(0)
    for key, x in network.state_dict().items():
        if not x.is_floating_point():
            continue
        noise = torch.randn(x.shape, generator=generator)
        if key.endswith("running_var"):
            x.copy_(0.5 + noise.abs())
        elif "norm" in key and key.endswith("weight"):
            x.copy_(1 + 0.3 * noise)
        elif x.dim() > 1:
            x.copy_(noise * x[0].numel() ** -0.5)
        else:
            x.copy_(0.3 * noise)
    return network


def expected_map(network: nn.Module, photo: Image.Image) -> np.ndarray:
    """The map of a photo, (H, W)."""
    pixels = np.asarray(photo.resize((SIDE, SIDE), Image.Resampling.BILINEAR), np.float32)
    pixels = (pixels - np.float32(export_dense.MEAN)) / np.float32(export_dense.STD)
    logits = network(torch.from_numpy(pixels.transpose(2, 0, 1).copy())[None]).logits
    logits = F.interpolate(logits, size=(SIDE, SIDE), mode="bilinear")
    logits = F.interpolate(logits, size=photo.size[::-1], mode="bilinear")[0]
    return logits.argmax(0).numpy()


@torch.no_grad()
def compare(name: str, m2fp: Path | None, photos: list[Path], found: Comparison) -> None:
    print(name)
    reference = theirs(name)
    ours = segformer.SegFormer(segformer.CONFIGS[name], CLASSES).eval()
    checkpoint.load_strictly(ours, reference.state_dict())
    for height, width in SIZES:
        image = torch.randn(
            1, 3, height, width, generator=torch.Generator().manual_seed(height + width)
        )
        a, b = reference(image).logits, ours(image)
        found.check(f"logits at {width}x{height}", (a - b).abs().max().item(), LOGIT_TOLERANCE)
        wrong = (a.argmax(1) != b.argmax(1)).float().mean().item()
        found.check(f"labels at {width}x{height} that differ", wrong, LABEL_TOLERANCE)
    if m2fp is None or name not in PARSED:
        return
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        weights, labels, archive = (folder / x for x in ("w.bin", "config.json", "model.pt"))
        torch.save(reference.state_dict(), weights)
        names = {str(index): f"Class-{index}" for index in range(CLASSES)}
        labels.write_text(json.dumps({"id2label": names}))
        export_dense.export(
            argparse.Namespace(
                config=name, checkpoint=weights, seed=None, labels=labels, size=SIDE,
                licence="MIT", out=archive,
            )
        )  # fmt: skip
        command = [m2fp, "parse", *photos, "--model", archive, "--out", folder, "--masks", "none"]
        subprocess.run(list(map(str, command)), check=True)
        for path in photos:
            photo = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
            wanted = expected_map(reference, photo)
            result = np.asarray(Image.open(folder / f"{path.stem}.m2fp.png"))
            share = float((wanted != result).mean())
            found.check(f"{path.name}: labels that differ", share, LABEL_TOLERANCE)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--m2fp", type=Path, help="the program, to parse photos as well")
    parser.add_argument("photos", type=Path, nargs="*", help="photos to parse")
    arguments = parser.parse_args()
    found = Comparison()
    for name in segformer.CONFIGS:
        compare(name, arguments.m2fp, arguments.photos, found)
    print("all within their bounds" if not found.failures else f"{found.failures} beyond")
    return 1 if found.failures else 0


if __name__ == "__main__":
    sys.exit(main())
