"""A peer in a process of its own: runs a network, or a whole parse, on request.

    python3 -m reference.worker KIND FILE WIDTH HEIGHT THREADS

reads lines on standard input. An empty line: run once on a fixed input. A line with paths (photo,
tab, output): parse the photo. The answer is one line: seconds, the seconds of the postprocess
within them, and the peak memory of the process in bytes. Runs in whatever Python has the peer.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path


def make_input(width: int, height: int):
    """Values of a normalised image (1, 3, height, width), seeded: the same as m2fp-bench's."""
    import numpy as np

    values = (np.arange(3 * height * width, dtype=np.int64) * 7919 % 1009).astype(np.float32)
    return (values / 504 - 1).reshape(1, 3, height, width)


class OnnxRuntime:
    """All graph optimisations, sequential execution (onnxruntime.ai, "Thread management")."""

    def __init__(self, file: str, threads: int):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        self.session = onnxruntime.InferenceSession(file, options, ["CPUExecutionProvider"])

    def run(self, image):
        return self.session.run(None, {"image": image})


class OpenVino:
    """The latency hint, one stream, float32 (docs.openvino.ai, "High-level Performance Hints")."""

    def __init__(self, file: str, threads: int):
        import openvino

        settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": "1",
            "INFERENCE_NUM_THREADS": str(threads),
            "INFERENCE_PRECISION_HINT": "f32",
        }
        self.request = openvino.Core().compile_model(file, "CPU", settings).create_infer_request()

    def run(self, image):
        return self.request.infer({0: image})


class ModelScope:
    """ModelScope's network and pipeline functions on this Python's torch."""

    def __init__(self, file: str, threads: int):
        import torch

        from m2fp.config import CONFIGS
        from m2fp.contract import CLASSES, for_dataset
        from .modelscope import Reference

        torch.set_num_threads(threads)
        self.torch = torch
        self.reference = Reference(
            for_dataset(CONFIGS["m2fp-r101"], "cihp"), CLASSES["cihp"], single=False
        )
        weights = torch.load(file, weights_only=True)["model"]
        self.reference.network.load_state_dict(weights, strict=True)

    def run(self, image):
        with self.torch.no_grad():
            network = self.reference.network
            return network.sem_seg_head(network.backbone(self.torch.from_numpy(image)))

    def parse(self, photo: str, output: str, sizes: dict) -> float:
        """From photo to label map as its pipeline does; returns the postprocess's seconds."""
        from PIL import Image

        run = self.reference.forward(self.reference.preprocess(photo, **sizes))
        start = time.perf_counter()
        labels = self.reference.postprocess(run)["labels"]
        seconds = time.perf_counter() - start
        Image.fromarray(labels).save(output)
        return seconds


KINDS = {"onnxruntime": OnnxRuntime, "openvino": OpenVino, "modelscope": ModelScope}


def peak_memory() -> int:
    """``VmHWM`` in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(x for x in lines if x.startswith("VmHWM:")).split()[1])


def main() -> None:
    kind, file, width, height, threads = sys.argv[1:]
    # Only answers go to standard output.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    peer = KINDS[kind](file, int(threads))
    image = make_input(int(width), int(height))
    for line in sys.stdin:
        start = time.perf_counter()
        inner = 0.0
        if line.strip():
            photo, output = line.rstrip("\n").split("\t")
            inner = peer.parse(photo, output, {})
        else:
            peer.run(image)
        print(time.perf_counter() - start, inner, peak_memory(), file=answers, flush=True)


if __name__ == "__main__":
    main()
