"""Average checkpoints of one network whose trainings share a beginning (Wortsman et al. 2022, "Model
soups"), each with a weight: CHECKPOINT or CHECKPOINT=WEIGHT.

--shift adjusts how readily a class is said (Menon et al. 2021, "logit adjustment"): training draws
rare ones more often than photos show them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor

from m2fp import checkpoint
from m2fp.contract import CLASSES

CLASS_BIAS = "sem_seg_head.predictor.class_embed.bias"


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


def shift(state: dict[str, Tensor], classes: dict[str, float]) -> dict[str, Tensor]:
    """The state with a constant added to the logit of each of some classes of CIHP, by name."""
    bias = state[CLASS_BIAS].clone()
    for name, amount in classes.items():
        bias[CLASSES["cihp"].index(name)] += amount
    return {**state, CLASS_BIAS: bias}


def shifted(text: str) -> tuple[str, float]:
    name, _, amount = text.partition("=")
    if name not in CLASSES["cihp"]:
        raise argparse.ArgumentTypeError(f"{name}: no class; there are {' '.join(CLASSES['cihp'])}")
    return name, float(amount)


def weighted(text: str) -> tuple[Path, float]:
    path, _, weight = text.partition("=")
    return Path(path), float(weight or 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoints", type=weighted, nargs="+", metavar="CHECKPOINT[=WEIGHT]")
    parser.add_argument("--out", type=Path, required=True, help="the checkpoint to write")
    parser.add_argument(
        "--shift",
        type=shifted,
        nargs="+",
        default=[],
        metavar="CLASS=LOGIT",
        help="add to the logit of a class, such as Dress=2",
    )
    arguments = parser.parse_args()
    paths, weights = zip(*arguments.checkpoints)
    states = [checkpoint.read_state_dict(path) for path in paths]
    result = average(states, list(weights))
    if arguments.shift:
        result = shift(result, dict(arguments.shift))
    torch.save({"model": result}, arguments.out)
