"""Turn a checkpoint of a dense network into a TorchScript archive with its contract inside.

SegFormer: Hugging Face's `pytorch_model.bin`, with its `config.json` for the names of the classes.
SCHP: the published checkpoints of CIHP, LIP, ATR and Pascal-Person-Part, whose classes are known.
Lite-HRNet with OCRNet's head: MMSegmentation's checkpoints, with MMPose's backbone in them, and a
JSON file with the names of the classes in a list `classes`.
"""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from pathlib import Path

try:
    import torch
except ImportError:
    sys.exit(
        f"export_dense: {sys.executable} has no torch. Install Debian's, which matches the runtime"
        " that m2fp links: apt-get install python3-torch, and run this with /usr/bin/python3"
    )

from dense.networks import NETWORKS
from m2fp import archive, checkpoint
from m2fp.contract import make_dense_contract

# What SCHP adds to a person's box, and how it sees what is in no box.
CROPS = {"margin": 0.1, "outside": "background"}
# The most that the archive's logits may differ, as a share of the largest.
TOLERANCE = 1e-4


class ExportError(Exception):
    """What was given cannot be exported; the message says why."""


def read_classes(path: Path) -> list[str]:
    """The names of the classes in the order of the logits: a list `classes`, or Hugging Face's
    `id2label`."""
    try:
        content = json.loads(path.read_text())
        if "classes" in content:
            return [str(name) for name in content["classes"]]
        labels = content["id2label"]
        return [labels[str(index)] for index in range(len(labels))]
    except (ValueError, KeyError, TypeError) as error:
        raise ExportError(
            f"{path}: no names of classes, neither under 'classes' nor under 'id2label' ({error})"
        ) from error


@torch.no_grad()
def freeze(network: torch.nn.Module, size: int) -> torch.jit.ScriptModule:
    """Trace a network for square inputs, and prove that it computes the same."""
    image = torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        frozen = torch.jit.freeze(torch.jit.trace(network.eval(), image, check_trace=False))
    other = torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(1))
    expected = network(other)
    difference = (frozen(other) - expected).abs().max().item()
    if not difference <= TOLERANCE * max(1, expected.abs().max().item()):
        raise ExportError(f"the archive's logits differ from the network's by {difference:.2g}")
    return frozen


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", required=True, choices=NETWORKS, help="the network")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--checkpoint", type=Path, help="the published weights")
    source.add_argument("--seed", type=int, help="random weights instead, for tests and timings")
    parser.add_argument(
        "--labels", type=Path, help="JSON file with the names of the classes (SCHP's are known)"
    )
    parser.add_argument(
        "--size", type=int, help="side of the input (default: that of the published weights)"
    )
    parser.add_argument(
        "--crops",
        action="store_true",
        help="parse each person by themselves as well, as SCHP does where there are several",
    )
    parser.add_argument(
        "--crop-network", help="the name of another model that parses them (SCHP's local network)"
    )
    parser.add_argument("--licence", required=True, help="SPDX identifier of the weights' licence")
    parser.add_argument("--out", type=Path, required=True, help="the archive to write")
    return parser.parse_args()


def export(arguments: argparse.Namespace) -> None:
    kind = NETWORKS[arguments.config]
    classes = kind.classes if arguments.labels is None else read_classes(arguments.labels)
    if classes is None:
        raise ExportError(f"{arguments.config} has no classes of its own: --labels names them")
    size = arguments.size or kind.size
    if size % kind.divisor:
        raise ExportError(f"--size is a multiple of {kind.divisor}")
    torch.manual_seed(arguments.seed or 0)
    network = kind.make(len(classes))
    source = f"seed:{arguments.seed}"
    if arguments.checkpoint is not None:
        state = checkpoint.read_state_dict(arguments.checkpoint)
        checkpoint.load_strictly(network, state)
        source = checkpoint.digest(arguments.checkpoint)
    contract = make_dense_contract(
        arguments.config, list(classes), kind.preprocess(size), kind.stride, kind.align_corners,
        source, arguments.licence, torch.__version__,
    )  # fmt: skip
    if arguments.crops:
        other = {} if arguments.crop_network is None else {"network": arguments.crop_network}
        contract["postprocess"]["crops"] = CROPS | other
    frozen = freeze(network, size)
    contract["activation_bytes"] = archive.activation_bytes(frozen, torch.zeros(1, 3, size, size))
    with archive.AtomicFile(arguments.out) as file:
        archive.save_archive(frozen, contract, file.temporary)
        file.commit()
    megabytes = arguments.out.stat().st_size / 1e6
    print(f"wrote {arguments.out} ({arguments.config}, {len(classes)} classes, {megabytes:.1f} MB)")


def main() -> int:
    arguments = parse_arguments()
    try:
        export(arguments)
    except (checkpoint.CheckpointError, ExportError) as error:
        print(f"export_dense: {error}; nothing was written", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"export_dense: {error.filename or arguments.out}: {error.strerror}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
