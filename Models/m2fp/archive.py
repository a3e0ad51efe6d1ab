"""TorchScript archives: a frozen graph with its contract beside it."""

from __future__ import annotations

import io
import json
import os
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from .deformable_attention import DeformableAttention
from .model import M2FP

CONTRACT = "contract.json"


def prepare(model: M2FP, half: bool = False, portable: bool = False) -> None:
    """Make ``model`` what an archive holds: for inference, BatchNorms folded.

    Parameters
    ----------
    model : M2FP
        Changed in place.
    half : bool
        Round matrices and kernels to half precision. Vectors stay as they are: they are small.
    portable : bool
        Spell the deformable attention out in ATen operators.

    Raises
    ------
    OverflowError
        A weight is beyond half precision's range.
    """
    model.eval()
    model.fold_batch_norms()
    for module in model.modules():
        if isinstance(module, DeformableAttention):
            module.portable = portable
    if half:
        for name, x in model.named_parameters():
            if x.dim() > 1:
                x.data = x.data.half().float()
                if not x.isfinite().all():
                    raise OverflowError(f"{name} has a weight beyond half precision's range")


def freeze(model: M2FP, half: bool = False) -> torch.jit.ScriptModule:
    """Trace a prepared ``model``, its weights as constants.

    With ``half``, constants that half precision represents exactly are stored so: the weights
    that ``prepare`` rounded, and nothing that would lose. torch 1.13 has no half-precision
    kernels for the CPU, so a loader widens them again.
    """
    with torch.no_grad(), warnings.catch_warnings():
        # Torch's group_norm compares sizes in Python, to refuse what never occurs here.
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        traced = torch.jit.trace(model, torch.zeros(1, 3, 64, 96), check_trace=False)
    frozen = torch.jit.freeze(traced)
    if half:
        halve(frozen)
    return frozen


def halve(frozen: torch.jit.ScriptModule, lossy: bool = False) -> None:
    """Store constants in half precision: those that it represents exactly, or with `lossy` all."""
    for node, value in _constant_nodes(frozen):
        if value.dtype == torch.float32 and (lossy or torch.equal(value.half().float(), value)):
            _replace(node, value.half())
    torch._C._jit_pass_erase_shape_information(frozen.graph)


def _constant_nodes(module: torch.jit.ScriptModule) -> Iterator[tuple[torch._C.Node, Tensor]]:
    for node in module.graph.findAllNodes("prim::Constant"):
        if node.hasAttribute("value") and node.kindOf("value") == "t":
            yield node, node.t("value")


def constants(module: torch.jit.ScriptModule) -> list[Tensor]:
    """The tensors that a frozen graph holds, in the graph's order."""
    return [value for _, value in _constant_nodes(module)]


def _replace(node: torch._C.Node, value: Tensor) -> None:
    node.t_("value", value)
    node.output().inferTypeFrom(value)


def widen(module: torch.jit.ScriptModule) -> None:
    """Turn half-precision constants into single precision; before the module's first run."""
    for node, value in _constant_nodes(module):
        if value.dtype == torch.float16:
            _replace(node, value.float())


@torch.no_grad()
def activation_bytes(module: torch.jit.ScriptModule, image: Tensor) -> int:
    """The most that a run on ``image`` holds at a time, as torch allocates it."""
    module(image)
    with torch.profiler.profile(
        activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True
    ) as profile:
        module(image)
    events = [x for x in profile.profiler.kineto_results.events() if x.name() == "[memory]"]
    held = most = 0
    for event in sorted(events, key=lambda x: x.start_us()):
        held += event.nbytes()
        most = max(most, held)
    return most


def save_archive(module: torch.jit.ScriptModule, contract: dict | None, path: Path) -> None:
    """Write a module and its contract, and nothing of the machine.

    Torch's archives carry the source positions of every operator, with this machine's paths;
    those records are left out.
    """
    extra = {} if contract is None else {CONTRACT: json.dumps(contract, indent=1)}
    complete = io.BytesIO()
    torch.jit.save(module, complete, _extra_files=extra)
    complete.seek(0)
    reader = torch._C.PyTorchFileReader(complete)
    with open(path, "wb") as file:
        writer = torch._C.PyTorchFileWriter(file)
        for name in reader.get_all_records():
            if not name.endswith(".debug_pkl") and name != "version":
                record = reader.get_record(name)
                writer.write_record(name, record, len(record))
        writer.write_end_of_file()
        file.flush()
        os.fsync(file.fileno())


class AtomicFile:
    """A file that appears under its name only once it is whole.

    As a context manager it gives the temporary path, in the same folder; ``commit`` renames it.
    """

    def __init__(self, path: Path):
        self.path = path

    def __enter__(self) -> AtomicFile:
        descriptor, name = tempfile.mkstemp(dir=self.path.parent, prefix=".m2fp-", suffix=".tmp")
        os.fchmod(descriptor, 0o644)
        os.close(descriptor)
        self.temporary = Path(name)
        return self

    def commit(self) -> None:
        self.temporary.replace(self.path)

    def __exit__(self, *exception) -> None:
        self.temporary.unlink(missing_ok=True)


def load_archive(path: Path) -> tuple[torch.jit.ScriptModule, dict | None]:
    """Read an archive back: the network, ready to run, and its contract if it has one.

    Raises
    ------
    RuntimeError
        The file is not a TorchScript archive.
    """
    extra = {CONTRACT: ""}
    module = torch.jit.load(str(path), map_location="cpu", _extra_files=extra)
    widen(module)
    return module, json.loads(extra[CONTRACT]) if extra[CONTRACT] else None
