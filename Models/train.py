#!/usr/bin/env python3
"""Train m2fp-tiny on rendered shards; stops and resumes anywhere.

The learning rate follows a cosine over the training time given by --minutes, which counts only
time spent training: run the same command again to go on, with more minutes to extend.
"""

from __future__ import annotations

import argparse
import copy
import csv
import math
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from m2fp.config import CONFIGS
from m2fp.contract import make_contract
from m2fp.criterion import Criterion, sample
from m2fp.model import M2FP
from m2fp.pixel_decoder import LEVELS
from m2fp.postprocess import parse
from m2fp.preprocess import prepare
from m2fp.training_data import HUMAN, Batch, Renders
from synthetic.classes import CLASSES

WARM_UP_STEPS = 200
LOWEST_RATE = 0.02  # share of the learning rate at the end
LOG_EVERY = 50
CLIP = 1.0
LARGEST_DECAY = 0.9995


class Trainer(nn.Module):
    """The network with its losses: M2FP's, and two on the pixel decoder alone.

    A softmax over the classes of each pixel and a map of persons' centres give the features a
    dense signal long before queries know what to ask for.
    """

    def __init__(self, model: M2FP):
        super().__init__()
        config = model.config
        self.model = model
        self.pixel_classes = nn.Linear(config.mask_dim, len(CLASSES))
        # A learned query answers for one part class, a person query for Human.
        parts, persons = config.num_queries, config.person_queries
        allowed = torch.zeros(parts + persons, config.num_classes, dtype=torch.bool)
        allowed[torch.arange(parts), torch.arange(1, parts + 1)] = True
        allowed[parts:, HUMAN] = True
        no_object = torch.cat((torch.full((parts,), 1.0), torch.full((persons,), 0.2)))
        self.criterion = Criterion(config.num_classes, no_object, allowed)

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Losses by name."""
        head = self.model.sem_seg_head
        mean, std = (
            torch.tensor(x, device=batch.images.device).view(1, 3, 1, 1)
            for x in (self.model.config.mean, self.model.config.std)
        )
        images = (batch.images - mean) / std
        images = images.contiguous(memory_format=torch.channels_last)
        features = self.model.backbone(images)
        mask_features, tokens, positions = head.pixel_decoder(features)
        sizes = [features[name].shape[-2:] for name in LEVELS]
        mask_features = head.person_queries.locate(mask_features)
        centres = head.person_queries.centre_logits(tokens[-1], sizes[-1])
        chosen = head.person_queries(tokens[-1], sizes[-1])
        layers = head.predictor(mask_features, tokens, positions, sizes, True, chosen)
        losses = self.criterion(layers, batch.points, batch.targets)
        pixels = self.pixel_classes(sample(mask_features, batch.points).transpose(1, 2))
        losses["pixel"] = 2 * F.cross_entropy(pixels.flatten(0, 1), batch.point_labels.flatten())
        losses["centre"] = 0.5 * centre_loss(centres, batch.centres)
        return losses


def centre_loss(logits: Tensor, centres: Tensor) -> Tensor:
    """Focal loss that forgives answers near a centre (Zhou et al. 2019, eq. 1)."""
    chance = logits.sigmoid()
    is_centre = centres > 0.999
    hit = (1 - chance) ** 2 * F.softplus(-logits)
    miss = (1 - centres) ** 4 * chance**2 * F.softplus(logits)
    return torch.where(is_centre, hit, miss).sum() / is_centre.sum().clamp(min=1)


class Average:
    """Exponential moving average of a model's weights, warming up with the steps taken."""

    def __init__(self, model: nn.Module):
        self.model = copy.deepcopy(model).eval().requires_grad_(False)

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        decay = min(LARGEST_DECAY, (1 + step) / (10 + step))
        for average, value in zip(self.model.parameters(), model.parameters()):
            average.lerp_(value, 1 - decay)


class Scores(NamedTuple):
    """Share in 0...1: mean IoU of the classes present, pixel accuracy, IoU of persons' pixels."""

    miou: float
    accuracy: float
    person_iou: float


@torch.no_grad()
def validate(model: M2FP, folder: Path, count: int) -> Scores:
    """Parse held-out renders as the product would: quick figures to steer by."""
    contract = make_contract(model.config, "cihp", "", "", "")
    scenes = Renders([folder])
    confusion = np.zeros((HUMAN, HUMAN), np.int64)
    persons = np.zeros(2, np.int64)
    device = next(model.parameters()).device
    for index in range(min(count, len(scenes))):
        scene = scenes[index]
        image, resized = prepare(scene.rgb, contract["preprocess"])
        logits, masks = (x[0].float().cpu() for x in model(image.to(device)))
        size = scene.labels.shape
        found = parse(logits, masks, image.shape[2:], resized, size, contract["postprocess"])
        pairs = scene.labels.astype(np.int64) * HUMAN + found.labels.numpy()
        confusion += np.bincount(pairs.ravel(), minlength=HUMAN**2).reshape(HUMAN, HUMAN)
        ours, theirs = found.persons.numpy() > 0, scene.persons > 0
        persons += (ours & theirs).sum(), (ours | theirs).sum()
    right = np.diag(confusion)
    union = confusion.sum(0) + confusion.sum(1) - right
    present = confusion.sum(1) > 0
    miou = (right / union.clip(1))[present].mean()
    return Scores(miou, right.sum() / confusion.sum(), persons[0] / max(persons[1], 1))


def learning_rate(step: int, progress: float) -> float:
    """Share of the full rate: linear warm-up, then a cosine over ``progress`` in 0...1."""
    cosine = LOWEST_RATE + (1 - LOWEST_RATE) * (1 + math.cos(math.pi * min(progress, 1))) / 2
    return min(1.0, (step + 1) / WARM_UP_STEPS) * cosine


def make_optimiser(trainer: Trainer, rate: float) -> torch.optim.Optimizer:
    """AdamW: the pretrained encoder at a quarter of the rate, its first stages not at all.

    Edges and textures of real photos are what those stages know and renders could only spoil.
    """
    encoder = trainer.model.backbone
    for module in (encoder.stem, encoder.stem_depthwise, encoder.stem_project, encoder.stage2):
        module.requires_grad_(False)
    trained = [p for p in encoder.parameters() if p.requires_grad]
    known = {id(p) for p in encoder.parameters()}
    others = [p for p in trainer.parameters() if id(p) not in known]
    groups = [
        {"params": trained, "lr": rate / 4, "full_rate": rate / 4},
        {"params": others, "lr": rate, "full_rate": rate},
    ]
    return torch.optim.AdamW(groups, weight_decay=0.02)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", default="m2fp-tiny", choices=["m2fp-tiny"])
    parser.add_argument("--renders", type=Path, nargs="+", required=True, help="folders of shards")
    parser.add_argument("--heldout", type=Path, required=True, help="folder of shards to validate")
    parser.add_argument("--out", type=Path, required=True, help="folder of checkpoints and log")
    parser.add_argument(
        "--encoder", type=Path, help="weights of m2fp.pose_encoder to start from (first run only)"
    )
    parser.add_argument("--minutes", type=float, required=True, help="training time in all")
    parser.add_argument("--pixels", type=int, default=8 * 256 * 256, help="in a batch")
    parser.add_argument("--points", type=int, default=2048, help="at which masks are compared")
    parser.add_argument("--rate", type=float, default=1e-3, help="full learning rate")
    parser.add_argument("--checkpoint-minutes", type=float, default=4)
    parser.add_argument("--validate-scenes", type=int, default=40)
    parser.add_argument("--threads", type=int, default=1, help="intra-op threads")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def to_device(batch: Batch, device: torch.device) -> Batch:
    targets = [type(t)(*(x.to(device) for x in t)) for t in batch.targets]
    moved = {k: v.to(device) for k, v in batch._asdict().items() if isinstance(v, Tensor)}
    return batch._replace(targets=targets, **moved)


def log_row(path: Path, row: dict[str, float]) -> None:
    new = not path.exists()
    with open(path, "a", newline="") as file:
        writer = csv.DictWriter(file, row)
        if new:
            writer.writeheader()
        writer.writerow({k: f"{v:.6g}" for k, v in row.items()})


def save(path: Path, content: object) -> None:
    """Write a checkpoint so that an interruption leaves the old or the new, never half."""
    temporary = path.with_suffix(".tmp")
    torch.save(content, temporary)
    temporary.replace(path)


def main() -> None:
    arguments = parse_arguments()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    arguments.out.mkdir(parents=True, exist_ok=True)
    resume = arguments.out / "resume.pth"

    model = M2FP(CONFIGS[arguments.config])
    # A place in the ranking of peaks says nothing yet about a person.
    nn.init.zeros_(model.sem_seg_head.predictor.query_embed.weight[model.config.num_queries :])
    trainer = Trainer(model).to(device, memory_format=torch.channels_last)
    optimiser = make_optimiser(trainer, arguments.rate)
    step, images, trained = 0, 0, 0.0
    if resume.exists():
        state = torch.load(resume, map_location=device)
        trainer.load_state_dict(state["trainer"])
        optimiser.load_state_dict(state["optimiser"])
        for group, share in zip(optimiser.param_groups, (0.25, 1.0)):
            group["full_rate"] = arguments.rate * share
        step, images, trained = state["step"], state["images"], state["trained"]
        average = Average(model)
        average.model.load_state_dict(state["average"])
        print(f"resumed at step {step}, {trained / 60:.1f} minutes", flush=True)
    else:
        if arguments.encoder:
            model.backbone.load_state_dict(torch.load(arguments.encoder, map_location=device))
        average = Average(model)

    rng = np.random.default_rng((arguments.seed, step))
    renders = Renders(arguments.renders)
    print(f"{len(renders)} renders, {device}, torch {torch.__version__}", flush=True)
    budget = arguments.minutes * 60
    sums: dict[str, float] = {}
    last_save, clock = trained, time.monotonic()
    while True:
        done = trained >= budget
        if done or trained - last_save >= arguments.checkpoint_minutes * 60:
            last_save = trained
            state = {
                "trainer": trainer.state_dict(),
                "average": average.model.state_dict(),
                "optimiser": optimiser.state_dict(),
                "step": step,
                "images": images,
                "trained": trained,
            }
            save(resume, state)
            save(arguments.out / "average.pth", {"model": average.model.state_dict()})
            scores = validate(average.model, arguments.heldout, arguments.validate_scenes)
            row = {"minutes": trained / 60, "step": step, "images": images, **scores._asdict()}
            log_row(arguments.out / "validation.csv", row)
            print("validation", {k: round(float(v), 4) for k, v in row.items()}, flush=True)
            renders.rescan()
            clock = time.monotonic()
        if done:
            break
        factor = learning_rate(step, trained / budget)
        for group in optimiser.param_groups:
            group["lr"] = group["full_rate"] * factor
        batch = to_device(renders.batch(rng, arguments.pixels, arguments.points), device)
        losses = trainer(batch)
        loss = sum(losses.values())
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(trainer.parameters(), CLIP)
        optimiser.step()
        step += 1
        average.update(model, step)
        images += len(batch.images)
        for name, value in losses.items():
            sums[name] = sums.get(name, 0.0) + value.item() / LOG_EVERY
        now = time.monotonic()
        trained, clock = trained + now - clock, now
        if step % LOG_EVERY == 0:
            row = {"minutes": trained / 60, "step": step, "images": images, "rate": factor, **sums}
            log_row(arguments.out / "loss.csv", row)
            print({k: round(float(v), 3) for k, v in row.items()}, flush=True)
            sums = {}


if __name__ == "__main__":
    main()
