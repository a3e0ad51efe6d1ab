"""Train m2fp-tiny on photos and rendered shards; stops and resumes anywhere.

The learning rate is level and falls over the last --cool-down minutes of the training time that
--minutes gives, which counts only time spent training: run the same command again to go on, with
more minutes to extend. SIGTERM and SIGINT end a run early, with a checkpoint. The moving average
that is written with each is of use at any time.
"""

from __future__ import annotations

import argparse
import copy
import csv
import functools
import math
import os
import signal
import threading
import time
from collections.abc import Callable
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader

from m2fp import checkpoint
from m2fp.config import CONFIGS
from m2fp.contract import make_contract
from m2fp.criterion import Criterion, log_of_sum, rank, sample
from m2fp.model import M2FP
from m2fp.muon import Muon, is_matrix
from m2fp.pixel_decoder import LEVELS
from m2fp.postprocess import parse
from m2fp.preprocess import picture, prepare
from m2fp.teachers import Teachers, teacher_loss
from m2fp.training_data import HUMAN, IGNORED_CENTRE, Batch, Batches, Renders
from photos import sides
from photos.mixture import make_mixture
from photos.split import photo_paths
from synthetic.classes import CLASSES

WARM_UP_BATCHES = 100
LOWEST_RATE = 0.02  # share of the learning rate at the end
LOG_EVERY = 25
CLIP = 1.0
LARGEST_DECAY = 0.995
# Seconds; what is beyond is time in which the process or the machine stood still.
LONGEST_STEP = 120.0


class Trainer(nn.Module):
    """The network with its losses: M2FP's, and two on the pixel decoder alone.

    A softmax over the classes of each pixel and a map of persons' centres give the features a
    dense signal long before queries know what to ask for.

    Parameters
    ----------
    half : bool
        Compute matrix products in bfloat16: half the bytes on a GPU, and a third less time on a CPU
        with AMX.
    teachers : Teachers or None
        Networks whose opinion of people's classes counts beside the labels.
    teacher_weight : float
        How much it counts.
    """

    def __init__(
        self,
        model: M2FP,
        half: bool,
        teachers: Teachers | None = None,
        teacher_weight: float = 1.0,
    ):
        super().__init__()
        config = model.config
        self.model = model
        self.half = half
        # In a list: their weights are no part of this one's state.
        self.teachers = [teachers] if teachers else []
        self.teacher_weight = teacher_weight
        self.pixel_classes = nn.Linear(config.mask_dim, len(CLASSES))
        # No gradient for the features before it knows anything itself.
        nn.init.zeros_(self.pixel_classes.weight)
        self.criterion = Criterion(config.num_queries)
        for module in model.modules():
            # A CPU's gradients of these take ten times as long in bfloat16.
            if isinstance(module, nn.GroupNorm) or getattr(module, "groups", 1) > 1:
                module.forward = functools.partial(in_single_precision, module.forward)

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Losses by name."""
        device = batch.images.device
        # What is compared with targets stays in float32.
        with torch.autocast(device.type, torch.bfloat16, enabled=self.half):
            images = self._normalise(batch.images)
            layers, read, centres = self._predict(images, batch.points)
            taught = [teachers(images, batch.points) for teachers in self.teachers]
            pixels = self.pixel_classes(read.transpose(1, 2))
        losses = self.criterion(layers, batch.targets)
        allowed = batch.targets.sets[batch.targets.labels]
        log_chances = pixels.float().log_softmax(-1)
        losses["pixel"] = -log_of_sum(log_chances, allowed, -1).mean()
        losses["centre"] = 0.5 * centre_loss(centres.float(), batch.centres)
        if taught:
            parts = self.model.config.num_queries
            classes, masks = (x[:, :parts].float() for x in layers[-1])
            loss = teacher_loss(rank(classes, masks), taught[0], allowed.transpose(1, 2))
            losses["teacher"] = self.teacher_weight * loss
        return losses

    def _normalise(self, images: Tensor) -> Tensor:
        config = self.model.config
        mean, std = (
            torch.tensor(x, device=images.device).view(1, 3, 1, 1)
            for x in (config.mean, config.std)
        )
        return ((images - mean) / std).contiguous(memory_format=torch.channels_last)

    def _predict(self, images: Tensor, points: Tensor):
        """Class and mask logits of each layer, mask features at the points, centres' logits."""
        head = self.model.sem_seg_head
        features = self.model.backbone(images)
        mask_features, tokens, positions = head.pixel_decoder(features)
        sizes = [features[name].shape[-2:] for name in LEVELS]
        mask_features = head.person_queries.locate(mask_features)
        centres = head.person_queries.centre_logits(tokens[-1], sizes[-1])
        chosen = head.person_queries(tokens[-1], sizes[-1])
        read = sample(mask_features, points)
        layers = head.predictor(mask_features, tokens, positions, sizes, True, chosen, read)
        return layers, read, centres


def in_single_precision(forward: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    with torch.autocast(x.device.type, enabled=False):
        return forward(x.float())


def centre_loss(logits: Tensor, centres: Tensor) -> Tensor:
    """Focal loss that forgives answers near a centre (Zhou et al. 2019, eq. 1)."""
    known = centres != IGNORED_CENTRE
    chance = logits.sigmoid()
    is_centre = centres > 0.999
    hit = (1 - chance) ** 2 * F.softplus(-logits)
    miss = (1 - centres) ** 4 * chance**2 * F.softplus(logits)
    return (torch.where(is_centre, hit, miss) * known).sum() / is_centre.sum().clamp(min=1)


class Average:
    """Exponential moving average of a model's weights, warming up with the steps taken."""

    def __init__(self, model: nn.Module):
        self.model = copy.deepcopy(model).eval().requires_grad_(False)

    @torch.no_grad()
    def update(self, model: nn.Module, step: int, batches: int) -> None:
        """Take in the weights after a step for which so many batches were seen.

        The mean goes back over as many pictures however many a step takes.
        """
        decay = min(LARGEST_DECAY**batches, (1 + step) / (10 + step))
        averages = list(self.model.parameters())
        torch._foreach_mul_(averages, decay)
        torch._foreach_add_(averages, list(model.parameters()), alpha=1 - decay)


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
        found = parse(
            logits, masks, image.shape[2:], resized, size, contract["postprocess"],
            picture(image.cpu(), resized, contract["preprocess"]),
        )  # fmt: skip
        pairs = scene.labels.astype(np.int64) * HUMAN + found.labels.numpy()
        confusion += np.bincount(pairs.ravel(), minlength=HUMAN**2).reshape(HUMAN, HUMAN)
        ours, theirs = found.persons.numpy() > 0, scene.persons > 0
        persons += (ours & theirs).sum(), (ours | theirs).sum()
    right = np.diag(confusion)
    union = confusion.sum(0) + confusion.sum(1) - right
    present = confusion.sum(1) > 0
    miou = (right / union.clip(1))[present].mean()
    return Scores(miou, right.sum() / confusion.sum(), persons[0] / max(persons[1], 1))


def accumulate(trainer: Trainer, batches: list[Batch]) -> dict[str, Tensor]:
    """Add the mean of the batches' gradients to the weights', in the memory that one takes.

    Returns
    -------
    dict[str, Tensor]
        The means of the losses by name, without gradients.
    """
    device = next(trainer.parameters()).device
    means: dict[str, Tensor] = {}
    for batch in batches:
        losses = trainer(batch.to(device))
        (sum(losses.values()) / len(batches)).backward()
        for name, value in losses.items():
            means[name] = means.get(name, 0.0) + value.detach() / len(batches)
    return means


def validate_and_log(
    model: M2FP, arguments: argparse.Namespace, trained: float, step: int, images: int
) -> None:
    scores = validate(model, arguments.heldout, arguments.validate_scenes)
    row = {"minutes": trained / 60, "step": step, "images": images, **scores._asdict()}
    log_row(arguments.out / "validation.csv", row)
    print("validation", {k: round(float(v), 4) for k, v in row.items()}, flush=True)


def learning_rate(batches: int, left: float, cool_down: float) -> float:
    """Share of the full rate: warm-up, level, and half a cosine while less time is left.

    Parameters
    ----------
    batches : int
        Seen so far.
    left, cool_down : float
        Seconds until the end, and of the last part.
    """
    part = min(1.0, max(0.0, left) / cool_down) if cool_down else 1.0
    cosine = LOWEST_RATE + (1 - LOWEST_RATE) * (1 - math.cos(math.pi * part)) / 2
    return min(1.0, (batches + 1) / WARM_UP_BATCHES) * cosine


def make_optimisers(
    trainer: Trainer, rate: float, encoder_share: float, half: bool
) -> list[torch.optim.Optimizer]:
    """Muon for the matrices and AdamW for the rest; the pretrained encoder at a share of the rate.

    The encoder's first stages do not learn: edges and textures are what they know from a million
    photos, and few pictures could only spoil it.
    """
    encoder = trainer.model.backbone
    for module in encoder.up_to_stride_4():
        module.requires_grad_(False)
    if encoder_share == 0:
        encoder.requires_grad_(False)
    known = {id(p) for p in encoder.parameters()}
    trained = [p for p in trainer.parameters() if p.requires_grad]

    def groups(matrices: bool) -> list[dict]:
        chosen = [p for p in trained if is_matrix(p) == matrices]
        shares = (
            ([p for p in chosen if id(p) not in known], 1.0),
            ([p for p in chosen if id(p) in known], encoder_share),
        )
        return [
            {"params": params, "lr": rate, "full_rate": rate * share}
            for params, share in shares
            if params
        ]

    return [
        Muon(groups(matrices=True), half=half),
        torch.optim.AdamW(groups(matrices=False), weight_decay=0.02),
    ]


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", default="m2fp-tiny", choices=["m2fp-tiny"])
    parser.add_argument(
        "--data", type=Path, required=True, help="folder of photos, as photos/__init__.py says"
    )
    parser.add_argument("--renders", type=Path, nargs="+", required=True, help="folders of shards")
    parser.add_argument(
        "--heldout", type=Path, help="folder of shards to validate (default: no validation)"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of checkpoints and log")
    parser.add_argument(
        "--sides",
        type=Path,
        help="what the first weights say of left and right on photos (default: OUT/sides); what is"
        " missing is asked of --start-from",
    )
    parser.add_argument(
        "--poses",
        type=Path,
        help="JSON that the command poses wrote: joints tell whose limb is whose (default: none)",
    )
    parser.add_argument(
        "--teachers",
        type=Path,
        nargs="+",
        default=[],
        metavar="CHECKPOINT",
        help="networks whose opinion of people's classes counts beside the labels (default: none)",
    )
    parser.add_argument("--teacher-weight", type=float, default=1.0, help="how much it counts")
    parser.add_argument(
        "--everyday",
        type=float,
        default=1.0,
        metavar="FACTOR",
        help="how much more of a batch than otherwise is everyday photos",
    )
    parser.add_argument(
        "--hard-views",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="of the everyday photos that are darkened, blurred or turned more than others",
    )
    parser.add_argument(
        "--encoder",
        type=Path,
        help="weights that m2fp.efficientnet_lite wrote, to start from (first run only)",
    )
    parser.add_argument(
        "--start-from",
        type=Path,
        metavar="CHECKPOINT",
        help="a whole network's weights to start from, such as recover's (first run only)",
    )
    parser.add_argument("--minutes", type=float, required=True, help="training time in all")
    parser.add_argument("--pixels", type=int, default=8 * 256 * 256, help="in a batch")
    parser.add_argument(
        "--accumulate", type=int, default=1, help="batches of whose gradients a step takes the mean"
    )
    parser.add_argument("--points", type=int, default=2048, help="at which masks are compared")
    parser.add_argument("--rate", type=float, default=3e-4, help="full learning rate")
    parser.add_argument(
        "--cool-down", type=float, default=20, help="minutes at the end in which the rate falls"
    )
    parser.add_argument(
        "--half",
        action="store_true",
        help="compute matrix products in bfloat16: on a GPU, or on a CPU with AMX",
    )
    parser.add_argument(
        "--encoder-share",
        type=float,
        default=0.15,
        help="the encoder's rate as a share of --rate; 0 leaves it as it is, and steps are faster",
    )
    parser.add_argument("--checkpoint-minutes", type=float, default=4)
    parser.add_argument("--validate-scenes", type=int, default=40)
    parser.add_argument(
        "--workers", type=int, default=1, help="processes that train, all on the same weights"
    )
    parser.add_argument(
        "--loaders", type=int, default=0, help="processes that prepare batches for each that trains"
    )
    parser.add_argument("--threads", type=int, default=1, help="intra-op threads of each")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def teach_sides(arguments: argparse.Namespace, device: torch.device) -> None:
    """Ask the first weights for left and right in the training photos that nobody asked for yet."""
    photos = [p for name in ("ccp", "coco") for p in photo_paths(arguments.data, name, "train")]
    photos = [p for p in photos if not (arguments.sides / f"{p.stem}.png").exists()]
    if not photos:
        return
    if arguments.start_from is None:
        raise SystemExit(
            f"train: {arguments.sides} lacks photos, and --start-from names no teacher"
        )
    print(f"asking for sides in {len(photos)} photos", flush=True)
    teacher = M2FP(CONFIGS[arguments.config])
    checkpoint.load_strictly(teacher, checkpoint.read_state_dict(arguments.start_from))
    preprocess = make_contract(teacher.config, "cihp", "", "", "")["preprocess"]
    sides.teach(teacher.eval().to(device), preprocess, photos, arguments.sides)


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


class Learner:
    """One process's share of training: its batches, its optimiser, the weights of all."""

    def __init__(
        self,
        trainer: Trainer,
        arguments: argparse.Namespace,
        seed: tuple[int, ...],
        progress: Tensor,
    ):
        torch.set_num_threads(arguments.threads)
        torch.set_float32_matmul_precision("high")  # on a GPU; CPUs compute in full precision
        self.trainer = trainer
        self.arguments = arguments
        self.device = next(trainer.parameters()).device
        self.optimisers = make_optimisers(
            trainer, arguments.rate, arguments.encoder_share, arguments.half
        )
        encoder = list(trainer.model.backbone.parameters())
        known = set(map(id, encoder))
        self.clipped = [encoder, [p for p in trainer.parameters() if id(p) not in known]]
        self.steps = 0
        on_gpu = self.device.type == "cuda"
        sources = functools.partial(
            make_mixture,
            arguments.data,
            arguments.renders,
            arguments.sides,
            arguments.poses,
            arguments.everyday,
            arguments.hard_views,
        )
        batches = Batches(sources, arguments.pixels, arguments.points, seed, progress)
        loader = DataLoader(
            batches,
            batch_size=None,
            num_workers=arguments.loaders,
            pin_memory=on_gpu,
            multiprocessing_context="spawn" if arguments.loaders else None,
        )
        self.batches = iter(loader)

    def learn(self, factor: float) -> tuple[dict[str, Tensor], int]:
        """Take one step at a share of the full rate; the losses by name and images seen."""
        self.steps += 1
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = group["full_rate"] * factor
        self.trainer.zero_grad(set_to_none=True)
        batches = [next(self.batches) for _ in range(self.arguments.accumulate)]
        losses = accumulate(self.trainer, batches)
        # Apart: a folded encoder's gradients are several times larger than the rest.
        for parameters in self.clipped:
            nn.utils.clip_grad_norm_(parameters, CLIP)
        for optimiser in self.optimisers:
            optimiser.step()
        return losses, sum(len(batch.images) for batch in batches)

    def close(self) -> None:
        """End the processes that prepare batches."""
        del self.batches

    def load_optimisers(self, states: list[dict]) -> None:
        sizes = [[len(group["params"]) for group in o.param_groups] for o in self.optimisers]
        if sizes != [[len(group["params"]) for group in state["param_groups"]] for state in states]:
            print("other weights are trained than before: the optimisers start anew", flush=True)
            return
        for optimiser, state in zip(self.optimisers, states):
            rates = [group["full_rate"] for group in optimiser.param_groups]
            # A copy: each process has moments of its own, though the state came in shared memory.
            optimiser.load_state_dict(copy.deepcopy(state))
            for group, rate in zip(optimiser.param_groups, rates):
                group["full_rate"] = rate


def help_learning(
    trainer: Trainer,
    arguments: argparse.Namespace,
    seed: tuple[int, ...],
    optimisers: list[dict] | None,
    progress: Tensor,
    factor: Tensor,
    counts: Tensor,
    over: Event,
) -> None:
    """A further process: learn, at the rate that the first process writes, until that is done."""
    learner = Learner(trainer, arguments, seed, progress)
    if optimisers is not None:
        learner.load_optimisers(optimisers)
    parent = os.getppid()
    while os.getppid() == parent and not over.is_set():
        counts += torch.tensor((1, learner.learn(factor.item())[1]))
    learner.close()


def main() -> None:
    arguments = parse_arguments()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    arguments.out.mkdir(parents=True, exist_ok=True)
    arguments.sides = arguments.sides or arguments.out / "sides"
    resume = arguments.out / "resume.pth"

    model = M2FP(CONFIGS[arguments.config])
    # A place in the ranking of peaks says nothing yet about a person.
    nn.init.zeros_(model.sem_seg_head.predictor.query_embed.weight[model.config.num_queries :])
    teachers = Teachers.read(model.config, arguments.teachers) if arguments.teachers else None
    if teachers:
        teachers.to(device, memory_format=torch.channels_last)
    trainer = Trainer(model, arguments.half, teachers, arguments.teacher_weight)
    trainer.to(device, memory_format=torch.channels_last)
    state = {"step": 0, "images": 0, "trained": 0.0, "optimisers": None}
    if resume.exists():
        state = torch.load(resume, map_location=device)
        trainer.load_state_dict(state["trainer"])
    elif arguments.start_from:
        checkpoint.load_strictly(model, checkpoint.read_state_dict(arguments.start_from))
    elif arguments.encoder:
        model.backbone.load_state_dict(torch.load(arguments.encoder, map_location=device))
    teach_sides(arguments, device)
    average = Average(model)
    if "average" in state:
        average.model.load_state_dict(state["average"])

    # Processes change the same weights without locks (Niu et al. 2011, Hogwild): where other
    # work takes turns on the cores, none waits for another as threads or synchronous ones would.
    # On a GPU they keep it busy, which one process that starts small operations does not.
    trainer.share_memory()
    progress = torch.full((1,), min(1.0, state["trained"] / (60 * arguments.minutes)))
    progress.share_memory_()
    factor = torch.zeros(1).share_memory_()
    counts = torch.zeros(arguments.workers, 2, dtype=torch.int64).share_memory_()
    seeds = [(arguments.seed, state["step"], worker) for worker in range(arguments.workers)]
    learner = Learner(trainer, arguments, seeds[0], progress)
    if state["optimisers"] is not None:
        learner.load_optimisers(state["optimisers"])
    context = torch.multiprocessing.get_context("spawn")
    over = context.Event()
    helpers = []
    for worker in range(1, arguments.workers):
        shared = progress, factor, counts[worker], over
        parameters = (trainer, arguments, seeds[worker], state["optimisers"], *shared)
        helpers.append(context.Process(target=help_learning, args=parameters))
        helpers[-1].start()
    print(
        f"step {state['step']}, {state['trained'] / 60:.1f} minutes,"
        f" {len(Renders(arguments.renders))} renders, {device}, torch {torch.__version__}",
        flush=True,
    )

    interrupted = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: interrupted.set())
    budget = arguments.minutes * 60
    trained = last_save = state["trained"]
    sums: dict[str, Tensor] = {}
    clock = time.monotonic()
    while True:
        step, images = (
            int(own) + before
            for own, before in zip(counts.sum(0), (state["step"], state["images"]))
        )
        done = trained >= budget or interrupted.is_set()
        if done or trained - last_save >= arguments.checkpoint_minutes * 60:
            last_save = trained
            content = {
                "trainer": trainer.state_dict(),
                "average": average.model.state_dict(),
                "optimisers": [o.state_dict() for o in learner.optimisers],
                "step": step,
                "images": images,
                "trained": trained,
            }
            save(resume, content)
            save(arguments.out / "average.pth", {"model": average.model.state_dict()})
            if not interrupted.is_set() and arguments.heldout:
                validate_and_log(average.model, arguments, trained, step, images)
        if done:
            break
        progress.fill_(trained / budget)
        batches = step * arguments.accumulate
        factor.fill_(learning_rate(batches, budget - trained, 60 * arguments.cool_down))
        losses, count = learner.learn(factor.item())
        counts[0] += torch.tensor((1, count))
        average.update(model, step, arguments.accumulate)
        for name, value in losses.items():
            sums[name] = sums.get(name, 0.0) + value / LOG_EVERY
        # Time spent validating counts: the other processes went on learning.
        now = time.monotonic()
        trained, clock = trained + min(now - clock, LONGEST_STEP), now
        if learner.steps % LOG_EVERY == 0:
            row = {"minutes": trained / 60, "step": step, "images": images}
            row |= {"rate": factor.item()} | {name: value.item() for name, value in sums.items()}
            log_row(arguments.out / "loss.csv", row)
            print({k: round(float(v), 3) for k, v in row.items()}, flush=True)
            sums = {}
    over.set()
    learner.close()
    for helper in helpers:
        helper.join()
