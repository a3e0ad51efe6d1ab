"""Compare m2fp with ModelScope's M2FP: network, and results for photos from file to labels.

Official weights cannot be had everywhere, and random ones give masks without shape. So the official
architecture gets seeded weights, and its two heads are fitted in closed form such that every class
and several persons really appear: see ``fit_heads``. Both sides load the same checkpoint.
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
from PIL import Image
from torch import Tensor

from m2fp import archive
from m2fp.config import CONFIGS, Config
from m2fp.contract import CLASSES, for_dataset
from m2fp.model import M2FP
from reference.modelscope import Reference, enter_environment

ROOT = Path(__file__).resolve().parents[2]
LOGIT_TOLERANCE = 1e-3
SCORE_TOLERANCE = 1e-4
# Share of a photo's pixels whose label may differ.
LABEL_TOLERANCE = 1e-4
# Side of the photos that the heads are fitted on.
FIT_SIDE = 256
# Photos for the single-person contract, whose network is the same but for the class head.
SINGLE = ("narrow", "small-grey", "two-people")


def make_photos(folder: Path) -> list[Path]:
    """Nine photos of different size, orientation and format, from the two in Examples/."""
    portrait = Image.open(ROOT / "Examples" / "eileen-collins.png").convert("RGB")
    officer = Image.open(ROOT / "Examples" / "grace-hopper.jpg").convert("RGB")
    side_by_side = Image.new("RGB", (900, 480), (90, 110, 130))
    side_by_side.paste(portrait.resize((480, 480), Image.BICUBIC), (0, 0))
    side_by_side.paste(officer.resize((400, 480), Image.BICUBIC), (500, 0))

    def turned(orientation: int) -> Image.Exif:
        exif = Image.Exif()
        exif[0x0112] = orientation
        return exif

    width, height = portrait.size
    portrait.save(folder / "square.png")
    officer.save(folder / "portrait.jpg", quality=95)
    portrait.crop((width // 4, 0, 3 * width // 4, height)).save(folder / "narrow.png")
    officer.crop((0, 0, officer.width, officer.height // 2)).save(folder / "landscape.png")
    side_by_side.save(folder / "two-people.png")
    lying = side_by_side.transpose(Image.ROTATE_90)
    lying.save(folder / "turned-right.jpg", quality=92, exif=turned(6))
    officer.transpose(Image.ROTATE_180).save(folder / "upside-down.jpg", quality=92, exif=turned(3))
    # More than three times the network's input, from where on masks are read patch by patch.
    officer.resize((2000, 2000 * officer.height // officer.width), Image.BICUBIC).save(
        folder / "large.jpg", quality=92
    )
    # Not smaller: a score averages over the pixels above zero, so in a mask of a thousand pixels
    # one that rounding moves across zero is worth 1e-4.
    portrait.convert("L").resize((320, 400), Image.BICUBIC).save(folder / "small-grey.png")
    return sorted(folder.iterdir())


@torch.no_grad()
def fit_heads(model: M2FP, images: list[Tensor], seed: int) -> None:
    """Make a randomly initialised network predict every class, with masks that follow the image.

    - The mask features are rotated and scaled (in their 1x1 convolution) such that over ``images``
      the first are the leading principal components with unit variance, and the last is constant.
    - A query's mask shall be a random combination of the leading components: regions of like
      colour and texture. Its class logit shall be high for one class, how high differs from query
      to query, so that scores spread over (0, 1).
    - The last layer of the mask head and the class head are solved for that by least squares.
      Masks steer the attention that makes the queries, so this is repeated until it settles.
    - What cross-attention adds is scaled down. It looks where the last mask is positive, a hard
      threshold: rounding moves a pixel or two across it, and random weights, unlike trained ones,
      turn that into differences of 0.1. With the scale they stay under 1e-3, while attending
      without masks would still move mask logits by 0.5.
    """
    generator = torch.Generator().manual_seed(seed)
    decoder, predictor = model.sem_seg_head.pixel_decoder, model.sem_seg_head.predictor
    queries, num_classes = model.config.num_queries, model.config.num_classes
    components = 8
    for layer in predictor.transformer_cross_attention_layers:
        layer.multihead_attn.out_proj.weight.mul_(0.02)

    features = [model.backbone(image) for image in images]
    pixels = torch.cat([decoder(x)[0].flatten(2)[0].T[::7] for x in features])
    mean = pixels.mean(0)
    variance, axes = torch.linalg.eigh(torch.cov(pixels.T))
    leading = axes[:, -components:].flip(1) / variance[-components:].flip(0).sqrt()
    projection = torch.zeros(model.config.mask_dim, model.config.mask_dim)
    projection[:components] = leading.T
    conv = decoder.mask_features
    conv.weight.copy_((projection @ conv.weight[:, :, 0, 0])[:, :, None, None])
    conv.bias.copy_(projection @ (conv.bias - mean))
    conv.bias[-1] = 1

    embeddings = torch.zeros(queries, model.config.mask_dim)
    mixture = torch.randn(queries, components, generator=generator)
    embeddings[:, :components] = 4 * F.normalize(mixture, dim=1)
    embeddings[:, -1] = torch.empty(queries).uniform_(-5, 1, generator=generator)
    logits = torch.zeros(queries, num_classes + 1)
    # Some queries stay "no object", the rest share the classes.
    favourites = torch.arange(queries) % (num_classes + 4)
    favourites = favourites.clamp(max=num_classes)
    heights = torch.empty(queries).uniform_(2, 8, generator=generator)
    logits[torch.arange(queries), favourites] = heights

    def solve(linear: torch.nn.Linear, inputs: Tensor, targets: Tensor) -> None:
        inputs = torch.cat((inputs, torch.ones(len(inputs), 1)), dim=1).double()
        gram = inputs.T @ inputs
        ridge = 1e-4 * gram.diagonal().mean() * torch.eye(len(gram), dtype=torch.float64)
        solution = torch.linalg.solve(gram + ridge, inputs.T @ targets.double()).float()
        linear.weight.copy_(solution[:-1].T)
        linear.bias.copy_(solution[-1])

    decoded = []
    for x in features:
        mask_features, tokens, positions = decoder(x)
        sizes = [x[name].shape[-2:] for name in ("res5", "res4", "res3")]
        decoded.append((mask_features, tokens, positions, sizes))
    seen = {}
    hooks = [
        module.register_forward_hook(lambda m, args, _, key=key: seen.update({key: args[0][0]}))
        for key, module in (
            ("class", predictor.class_embed), ("mask", predictor.mask_embed.layers[-1])
        )
    ]  # fmt: skip
    for _ in range(3):
        inputs = {"class": [], "mask": []}
        for arguments in decoded:
            predictor(*arguments)
            for key, x in seen.items():
                inputs[key].append(x)
        count = len(decoded)
        solve(predictor.class_embed, torch.cat(inputs["class"]), logits.repeat(count, 1))
        mask_layer = predictor.mask_embed.layers[-1]
        solve(mask_layer, torch.cat(inputs["mask"]), embeddings.repeat(count, 1))
    for hook in hooks:
        hook.remove()


def fit_images(photos: list[Path], config: Config) -> list[Tensor]:
    """The photos squeezed into squares, normalised."""
    mean, std = (torch.tensor(x)[:, None, None] for x in (config.mean, config.std))
    images = []
    for path in photos:
        image = Image.open(path).convert("RGB").resize((FIT_SIDE, FIT_SIDE), Image.BICUBIC)
        pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1).float()
        images.append(((pixels - mean) / std)[None])
    return images


def make_checkpoint(config: Config, photos: list[Path], path: Path, seed: int = 0) -> None:
    """Write a checkpoint of seeded and fitted weights, in ModelScope's layout."""
    torch.manual_seed(seed)
    model = M2FP(config).eval()
    fit_heads(model, fit_images(photos, config), seed)
    torch.save({"model": model.state_dict()}, path)


class Comparison:
    """Prints each figure with its bound, and remembers whether all held."""

    def __init__(self):
        self.failures = 0

    def check(self, what: str, value: float, bound: float) -> None:
        good = value <= bound
        self.failures += not good
        print(f"  {'ok  ' if good else 'FAIL'} {what}: {value:.2g} (at most {bound:g})", flush=True)

    def lists(self, what: str, theirs: list[tuple[int, float]], ours: list[tuple[int, float]]):
        """Instances as (label, score). One may be in one list only if it is on the threshold."""
        theirs, ours = sorted(theirs), sorted(ours)
        worst, surplus = 0.0, 0
        for label in {label for label, _ in theirs + ours}:
            a = [score for other, score in theirs if other == label]
            b = [score for other, score in ours if other == label]
            while len(a) != len(b):
                longer = max(a, b, key=len)
                surplus += abs(longer.pop(0) - 0.1) > SCORE_TOLERANCE
            worst = max([worst, *(abs(x - y) for x, y in zip(a, b))])
        self.check(f"{what} ({len(theirs)}): in one list only", surplus, 0)
        self.check(f"{what}: largest difference of scores", worst, SCORE_TOLERANCE)


def compare(
    comparison: Comparison,
    config: Config,
    dataset: str,
    photos: list[Path],
    command: Path,
    folder: Path,
) -> None:
    """Compare everything for one data set's contract."""
    single = dataset == "lip"
    config = for_dataset(config, dataset)
    checkpoint, model_file = folder / f"{dataset}.pth", folder / f"{dataset}.pt"
    make_checkpoint(config, photos, checkpoint)
    export = [sys.executable, ROOT / "Models", "export", "--config", config.name]
    export += ["--checkpoint", checkpoint, "--dataset", dataset, "--out", model_file]
    subprocess.run([*export, "--licence", "MIT"], check=True)
    outputs = folder / f"{dataset}-parsed"
    parse = [command, "parse", *photos, "--model", model_file, "--out", outputs]
    subprocess.run([*parse, "--max-side", "0", "--masks", "none", "--jobs", "1"], check=True)

    reference = Reference(config, CLASSES[dataset], single)
    weights = torch.load(checkpoint, weights_only=True)["model"]
    reference.network.load_state_dict(weights, strict=True)
    network, _ = archive.load_archive(model_file)
    classes_seen: set[int] = set()
    humans_seen = 0
    for photo in photos:
        run = reference.forward(reference.preprocess(str(photo)))
        image = run["images"].tensor
        with torch.no_grad():
            logits, masks = network(image)
        difference = max(
            (run["outputs"]["pred_logits"] - logits).abs().max().item(),
            (run["outputs"]["pred_masks"] - masks).abs().max().item(),
        )
        expected = reference.postprocess(run)
        label_file = next(outputs.rglob(f"{photo.stem}.m2fp.png"))
        labels = np.array(Image.open(label_file))
        found = json.loads(label_file.with_suffix(".json").read_text())

        width, height = image.shape[3], image.shape[2]
        print(f"{photo.name}, {dataset}: {labels.shape[1]}x{labels.shape[0]} as {width}x{height}")
        comparison.check("largest difference of logits", difference, LOGIT_TOLERANCE)
        for key in ("parts", "humans"):
            if not single:
                theirs = [(x["category_id"], x["score"]) for x in expected[key]]
                comparison.lists(key, theirs, [(x["index"], x["score"]) for x in found[key]])
        if labels.shape != expected["labels"].shape:
            comparison.check("labels: of another size", 1, 0)
            continue
        share = (labels != expected["labels"]).mean()
        comparison.check("share of pixels with another label", share, LABEL_TOLERANCE)
        classes_seen |= set(np.unique(labels).tolist())
        humans_seen = max(humans_seen, len(found["humans"]))
    print(f"{dataset}: {len(classes_seen)} classes in the maps, up to {humans_seen} humans a photo")
    # A comparison of empty results would prove nothing.
    comparison.check("classes that never appear", 20 - len(classes_seen), 10)
    if not single:
        comparison.check("several humans missing", humans_seen < 2, 0)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--command", type=Path, default=ROOT / ".build" / "release" / "m2fp")
    parser.add_argument("--config", choices=("m2fp-r101", "m2fp-r50"), default="m2fp-r101")
    parser.add_argument("--environment", type=Path, help="keep ModelScope's environment here")
    arguments = parser.parse_args()
    if not arguments.command.exists():
        sys.exit(f"parity: {arguments.command} is missing; build it with 'make build'")
    enter_environment(arguments.environment)
    comparison = Comparison()
    with tempfile.TemporaryDirectory(prefix="m2fp-parity-") as name:
        folder = Path(name)
        (folder / "photos").mkdir()
        photos = make_photos(folder / "photos")
        few = [photo for photo in photos if photo.stem in SINGLE]
        for dataset, chosen in (("cihp", photos), ("lip", few)):
            compare(
                comparison, CONFIGS[arguments.config], dataset, chosen, arguments.command, folder
            )
    verdict = f"{comparison.failures} comparisons failed" if comparison.failures else "all equal"
    print(f"parity: {verdict}")
    return 1 if comparison.failures else 0
