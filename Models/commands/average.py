"""Average checkpoints of one network whose trainings share a beginning (Wortsman et al. 2022, "Model
soups"), each with a weight: CHECKPOINT or CHECKPOINT=WEIGHT."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor

from m2fp import checkpoint


def average(states: list[dict[str, Tensor]], weights: list[float]) -> dict[str, Tensor]:
    """The weighted mean of what is floating point; the rest is the first one's.

    Raises
    ------
    ValueError
        The states are of different networks.
    """
    shapes = [{name: value.shape for name, value in state.items()} for state in states]
    if any(other != shapes[0] for other in shapes[1:]):
        raise ValueError("the checkpoints are of different networks")
    result = dict(states[0])
    for name, value in result.items():
        if value.is_floating_point():
            total = sum(w * state[name].double() for w, state in zip(weights, states))
            result[name] = (total / sum(weights)).to(value.dtype)
    return result


def weighted(text: str) -> tuple[Path, float]:
    path, _, weight = text.partition("=")
    return Path(path), float(weight or 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoints", type=weighted, nargs="+", metavar="CHECKPOINT[=WEIGHT]")
    parser.add_argument("--out", type=Path, required=True, help="the checkpoint to write")
    arguments = parser.parse_args()
    paths, weights = zip(*arguments.checkpoints)
    states = [checkpoint.read_state_dict(path) for path in paths]
    torch.save({"model": average(states, list(weights))}, arguments.out)
