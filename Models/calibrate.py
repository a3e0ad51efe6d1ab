#!/usr/bin/env python3
"""Shift the part classes' scores so that the label maps of renders come out best.

A part class has one query, and its class score is weighed against thresholds that all classes
share. A class that training has not made sure of yet then never shows, though its mask may be good.
One bias a class, at least 0 and added to the class head's, is chosen by coordinate ascent on the mean
IoU; the masks stay as they are. The renders must be neither trained on nor used to evaluate.

Biases below 0 gained as much on these renders and lost on others and on photos.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from m2fp import checkpoint
from m2fp.config import CONFIGS, Config
from m2fp.contract import make_contract
from m2fp.model import M2FP
from m2fp.preprocess import prepare
from m2fp.training_data import HUMAN, Renders

STEPS = (-1.0, -0.5, -0.25, 0.25, 0.5, 1.0)
LARGEST = 2.5


class Answers:
    """What a network says of some renders, at the masks' resolution.

    Attributes
    ----------
    logits : (N, C)
        How far each part's class logit stands above the log-sum of all others of its query.
    mask_scores : (N, C)
        Mean probability of each part's mask inside of it.
    chances : list of (C, pixels)
        The masks' probabilities.
    truths : list of (pixels,)
        True classes, 0 for background.
    """

    def __init__(self, network: M2FP, folders: list[Path]):
        preprocess = make_contract(network.config, "cihp", "", "", "")["preprocess"]
        parts = network.config.num_queries
        own = torch.arange(parts)
        logits, scores, self.chances, self.truths = [], [], [], []
        for scene in Renders(folders).scenes():
            image, (height, width) = prepare(scene.rgb, preprocess)
            with torch.no_grad():
                classes, masks = (x[0, :parts] for x in network(image))
            height, width = height // 4, width // 4
            masks = masks[:, :height, :width].flatten(1)
            labels = torch.from_numpy(scene.labels)[None, None].float()
            labels = F.interpolate(labels, (height, width), mode="nearest").flatten()
            mine = classes[own, own + 1]
            others = classes.clone()
            others[own, own + 1] = -torch.inf
            logits.append(mine - others.logsumexp(1))
            chances, inside = masks.sigmoid(), masks > 0
            scores.append((chances * inside).sum(1) / inside.sum(1).clamp(min=1))
            self.chances.append(chances.numpy())
            self.truths.append(labels.numpy().astype(np.int64))
        self.logits, self.mask_scores = (torch.stack(x).numpy() for x in (logits, scores))

    def miou(self, biases: np.ndarray, config: Config) -> float:
        """Mean IoU over the classes if ``biases`` (C,) were added to the class logits."""
        scores = self.mask_scores / (1 + np.exp(-self.logits - biases))
        scores[scores < config.semantic_score_threshold] = 0
        confusion = np.zeros((HUMAN, HUMAN), np.int64)
        for score, chances, truth in zip(scores, self.chances, self.truths):
            shown = np.flatnonzero(score)
            values = chances[shown] * score[shown, None]
            values[values <= config.mask_threshold] = 0
            values = np.concatenate((np.full((1, len(truth)), 1e-9, np.float32), values))
            found = np.concatenate(([0], shown + 1))[values.argmax(0)]
            pairs = truth * HUMAN + found
            confusion += np.bincount(pairs, minlength=HUMAN**2).reshape(HUMAN, HUMAN)
        right = np.diag(confusion)
        union = confusion.sum(0) + confusion.sum(1) - right
        return float((right / union.clip(1))[union > 0].mean())


def choose_biases(answers: Answers, config: Config, rounds: int) -> np.ndarray:
    """Coordinate ascent: one class after another moves to where the mean IoU is highest."""
    biases = np.zeros(config.num_queries, np.float32)
    best = answers.miou(biases, config)
    for round_number in range(rounds):
        for part in range(len(biases)):
            start = biases[part]
            for step in STEPS:
                trial = biases.copy()
                trial[part] = np.clip(start + step, 0, LARGEST)
                if (score := answers.miou(trial, config)) > best + 1e-5:
                    best, biases = score, trial
        print(f"round {round_number + 1}: mIoU {best:.4f}", flush=True)
    return biases


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", default="m2fp-tiny", choices=["m2fp-tiny"])
    parser.add_argument("--checkpoint", type=Path, required=True, help="weights to start from")
    parser.add_argument("--renders", type=Path, nargs="+", required=True, help="folders of shards")
    parser.add_argument("--out", type=Path, required=True, help="weights to write")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    network = M2FP(CONFIGS[arguments.config])
    checkpoint.load_strictly(network, checkpoint.read_state_dict(arguments.checkpoint))
    network.eval()
    answers = Answers(network, arguments.renders)
    before = answers.miou(np.zeros(network.config.num_queries, np.float32), network.config)
    print(f"{len(answers.truths)} renders, mIoU {before:.4f} as trained", flush=True)
    biases = choose_biases(answers, network.config, arguments.rounds)
    print("biases", dict(enumerate(np.round(biases, 2).tolist(), start=1)))
    head = network.sem_seg_head.predictor.class_embed
    with torch.no_grad():
        head.bias[1 : 1 + len(biases)] += torch.from_numpy(biases)
    torch.save({"model": network.state_dict()}, arguments.out)


if __name__ == "__main__":
    main()
