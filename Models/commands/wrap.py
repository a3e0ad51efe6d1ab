"""Turn anybody's TorchScript file of a dense network into an archive for the m2fp command.

A dense network takes an image (1, 3, H, W) and returns logits of each class at each place,
(1, C, h, w), alone or in a tuple, list or dictionary. A contract in TOML says the rest:

    name = "someone's-parser"
    licence = "MIT"                        # SPDX; -NC- in it means: no commercial use
    classes = ["Background", "Hair", "Face"]           # or the name of a set: "atr"
    palette = [[0, 0, 0], [255, 0, 0], [0, 0, 255]]    # optional
    output = 0                             # which of several, by number or name; optional
    notice = "What users should know."     # optional

    [input]
    mode = "stretch"                       # affine: centred, black beside it; single: fitted and
                                           # padded; multi: by its short side
    width = 512
    height = 512
    mean = [0.485, 0.456, 0.406]           # of red, green, blue
    std = [0.229, 0.224, 0.225]
    levels = 1                             # of white, before mean and std: 1 or 255
    order = "rgb"                          # of the planes: rgb or bgr

    [logits]
    stride = 4                             # pixels of the input to a place of the logits
    align_corners = false

    [crops]                                # optional: each person is parsed by itself as well
    margin = 0.1
    outside = "background"                 # or "whole"
    finder = "m2fp-tiny"                   # optional
    network = "someone's-local-parser"     # optional

docs/contract.md has what else `input` takes and what `crops` are, docs/outputs.md which sets of
classes there are. Models/dense/contracts has contracts for files that are published.
"""

from __future__ import annotations

import argparse
import json
import sys
import tomllib
import warnings
from pathlib import Path

try:
    import torch
except ImportError:
    sys.exit(
        f"wrap: {sys.executable} has no torch. Install Debian's, which matches the runtime that"
        " m2fp links: apt-get install python3-torch, and run this with /usr/bin/python3"
    )

from torch import Tensor, nn

from m2fp import archive, checkpoint
from m2fp.contract import make_dense_contract

# The sets of classes that have a name.
SETS = Path(__file__).resolve().parents[2] / "Sources" / "M2FPCommands" / "Remaps"
# The most that the archive's logits may differ from the file's, as a share of the largest.
TOLERANCE = 1e-5
# Sizes that contracts take, each with what it has to be given.
SIZES = {
    "stretch": ("width", "height"),
    "affine": ("width", "height"),
    "single": ("width", "height", "pad_value"),
    "multi": ("short_side", "max_side"),
}


class WrapError(Exception):
    """The file or its contract cannot be used; the message says which field."""


class OneOutput(nn.Module):
    """A network that returns one of another's outputs, in single precision."""

    def __init__(self, network: nn.Module, output: int | str | None):
        super().__init__()
        self.network = network
        self.output = output

    def forward(self, image: Tensor) -> Tensor:
        found = self.network(image)
        return (found if self.output is None else found[self.output]).float()


def pick(found: object, output: int | str | None) -> Tensor:
    """The logits among what a network returned."""
    if isinstance(found, Tensor):
        if output is not None:
            raise WrapError("the network returns one tensor, so 'output' is to be left out")
        return found
    if isinstance(found, dict):
        there = ", ".join(map(repr, found))
        if output not in found:
            raise WrapError(f"the network returns {there}: 'output' has to be one of them")
    elif not isinstance(output, int) or not 0 <= output < len(found):
        raise WrapError(f"the network returns {len(found)} values: 'output' has to be a number")
    if not isinstance(found[output], Tensor):
        raise WrapError(f"'output' {output!r} is no tensor")
    return found[output]


def field(table: dict, name: str, kind: type | tuple[type, ...], place: str = "") -> object:
    """A field that has to be there, of its type."""
    if name not in table:
        raise WrapError(f"the contract lacks '{place}{name}'")
    value = table[name]
    if not isinstance(value, kind) or isinstance(value, bool) and kind is not bool:
        raise WrapError(f"'{place}{name}' has the wrong type")
    return value


def named_set(name: str) -> tuple[list, list | None]:
    """Classes and colours of a set that has a name."""
    names = sorted(path.stem for path in SETS.glob("*.json"))
    if name not in names:
        raise WrapError(f"'classes' is a list, or one of {', '.join(names)}")
    content = json.loads((SETS / f"{name}.json").read_text())
    return content["classes"], content.get("palette")


def network_input(table: dict) -> dict:
    """The archive's ``preprocess``: mean and std of levels up to 255, as m2fp has them."""
    mode = field(table, "mode", str, "input.")
    if mode not in SIZES:
        raise WrapError(f"'input.mode' is one of {', '.join(SIZES)}")
    result = {"mode": mode} | {name: field(table, name, int, "input.") for name in SIZES[mode]}
    result["divisor"] = table.get("divisor", 1)
    levels = table.get("levels", 255)
    if levels not in (1, 255):
        raise WrapError("'input.levels' is 1 or 255")
    for name in ("mean", "std"):
        values = field(table, name, list, "input.")
        if len(values) != 3 or not all(isinstance(value, (int, float)) for value in values):
            raise WrapError(f"'input.{name}' has to be three numbers: of red, green and blue")
        result[name] = [value * 255 / levels for value in values]
    order = table.get("order", "rgb")
    if order not in ("rgb", "bgr"):
        raise WrapError("'input.order' is rgb or bgr")
    if order == "bgr":
        result["channel_order"] = order
    return result


def input_size(preprocess: dict) -> tuple[int, int]:
    """Height and width of an input that the network is tried with."""
    if preprocess["mode"] != "multi":
        return preprocess["height"], preprocess["width"]
    step = preprocess["divisor"]
    return tuple(-(-preprocess[side] // step) * step for side in ("short_side", "max_side"))


@torch.no_grad()
def wrap(model: Path, contract: dict) -> tuple[torch.jit.ScriptModule, dict]:
    """The frozen network and the archive's contract.

    Raises
    ------
    WrapError
        Something is not as the contract says.
    """
    classes, palette = field(contract, "classes", (list, str)), None
    if isinstance(classes, str):
        classes, palette = named_set(classes)
    logits = field(contract, "logits", dict)
    stride = field(logits, "stride", int, "logits.")
    preprocess = network_input(field(contract, "input", dict))
    complete = make_dense_contract(
        field(contract, "name", str),
        classes,
        preprocess,
        stride,
        bool(logits.get("align_corners", False)),
        checkpoint.digest(model),
        field(contract, "licence", str),
        torch.__version__,
        contract.get("palette", palette),
    )
    if "crops" in contract:
        complete["postprocess"]["crops"] = field(contract, "crops", dict)
    if "notice" in contract:
        complete["notice"] = field(contract, "notice", str)
    try:
        network = torch.jit.load(str(model), map_location="cpu").eval().float()
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[0]
        raise WrapError(f"{model} is no TorchScript file that torch reads: {reason}") from error
    height, width = input_size(preprocess)
    image = torch.randn(1, 3, height, width, generator=torch.Generator().manual_seed(0))
    output = contract.get("output")
    try:
        expected = pick(network(image), output).float()
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        raise WrapError(f"the network fails on an input of {width}x{height}: {reason}") from error
    promised = (1, len(classes), -(-height // stride), -(-width // stride))
    if tuple(expected.shape) != promised:
        raise WrapError(
            f"the network returns {tuple(expected.shape)} for an input of {width}x{height}, and"
            f" 'classes' and 'logits.stride' promise {promised}"
        )
    if not expected.isfinite().all():
        raise WrapError("the network returns values that are no numbers: its weights are damaged")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        traced = torch.jit.trace(OneOutput(network, output).eval(), image, check_trace=False)
    frozen = torch.jit.freeze(traced)
    difference = (frozen(image) - expected).abs().max().item()
    if not difference <= TOLERANCE * max(1, expected.abs().max().item()):
        raise WrapError(f"the archive's logits differ from the file's by {difference:.2g}")
    complete["activation_bytes"] = archive.activation_bytes(frozen, image)
    return frozen, complete


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, required=True, help="the TorchScript file")
    parser.add_argument("--contract", type=Path, required=True, help="its contract in TOML")
    parser.add_argument("--out", type=Path, required=True, help="the archive to write")
    arguments = parser.parse_args()
    try:
        with open(arguments.contract, "rb") as file:
            contract = tomllib.load(file)
        network, complete = wrap(arguments.model, contract)
        with archive.AtomicFile(arguments.out) as file:
            archive.save_archive(network, complete, file.temporary)
            file.commit()
    except (WrapError, tomllib.TOMLDecodeError) as error:
        print(f"wrap: {error}; nothing was written", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"wrap: {error.filename or arguments.out}: {error.strerror}", file=sys.stderr)
        return 1
    print(f"wrote {arguments.out}; try it: m2fp parse PHOTO --model {arguments.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
