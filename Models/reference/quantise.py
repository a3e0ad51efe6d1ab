"""A peer's network in integers of 8 bits, calibrated, and how far its labels are its own in float32.

    python3 -m reference.quantise KIND ARCHIVE.pt MODEL.onnx QUANTISED SIZE FOLDER

writes QUANTISED unless it is there, from every other photo of FOLDER, and prints the share of the pixels
of the others that keep their class, of all photos and of the worst. How photos are normalised stands in
the network's archive. Runs in an environment that has the peer and what quantises for it.
"""

from __future__ import annotations

import json
import sys
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

from .worker import KINDS


class Reader:
    """Photos as a network's inputs (1, 3, size, size)."""

    def __init__(self, archive: str, size: int):
        with zipfile.ZipFile(archive) as file:
            name = next(x for x in file.namelist() if x.endswith("/extra/contract.json"))
            preprocess = json.loads(file.read(name))["preprocess"]
        self.mean, self.std = (np.array(preprocess[x], np.float32) for x in ("mean", "std"))
        self.size = size

    def read(self, photo: Path) -> np.ndarray:
        image = Image.open(photo).convert("RGB").resize((self.size, self.size), Image.BILINEAR)
        return ((np.asarray(image, np.float32) - self.mean) / self.std).transpose(2, 0, 1)[None]


def quantise_openvino(model: str, quantised: Path, images: list[np.ndarray]) -> None:
    """NNCF's calibration of networks with attention (docs.openvino.ai, "Basic Quantization Flow")."""
    import nncf
    import openvino

    network = nncf.quantize(
        openvino.Core().read_model(model),
        nncf.Dataset(images),
        model_type=nncf.ModelType.TRANSFORMER,
        subset_size=len(images),
    )
    openvino.save_model(network, quantised, compress_to_fp16=False)


def quantise_onnxruntime(model: str, quantised: Path, images: list[np.ndarray]) -> None:
    """Static, with a scale for each channel of the weights (onnxruntime.ai, "Quantize ONNX models")."""
    from onnxruntime import quantization

    class Calibration(quantization.CalibrationDataReader):
        def __init__(self):
            self.inputs = iter([{"image": image} for image in images])

        def get_next(self):
            return next(self.inputs, None)

    prepared = quantised.with_suffix(".prepared.onnx")
    quantization.shape_inference.quant_pre_process(model, prepared, skip_symbolic_shape=True)
    quantization.quantize_static(
        prepared,
        quantised,
        Calibration(),
        quant_format=quantization.QuantFormat.QDQ,
        per_channel=True,
        op_types_to_quantize=["Conv", "MatMul", "Gemm"],
    )
    prepared.unlink()


def labels(outputs) -> np.ndarray:
    """The class of each pixel (height, width), semantic inference from class and mask logits."""
    classes, masks = (np.asarray(outputs[i])[0] for i in (0, 1))
    chances = np.exp(classes - classes.max(axis=1, keepdims=True))
    chances = (chances / chances.sum(axis=1, keepdims=True))[:, :-1]
    return np.einsum("qc,qhw->chw", chances, 1 / (1 + np.exp(-masks))).argmax(axis=0)


def main() -> None:
    kind, archive, model, quantised, size, folder = sys.argv[1:]
    photos, reader = sorted(Path(folder).iterdir()), Reader(archive, int(size))
    if not Path(quantised).exists():
        quantise = {"openvino": quantise_openvino, "onnxruntime": quantise_onnxruntime}[kind]
        quantise(model, Path(quantised), [reader.read(x) for x in photos[::2]])
    networks = [KINDS[kind](file, 1) for file in (model, quantised)]
    shares = []
    for photo in photos[1::2]:
        image = reader.read(photo)
        before, after = (labels(network.run(image)) for network in networks)
        shares.append(float((before == after).mean()))
    print(np.mean(shares), min(shares))


if __name__ == "__main__":
    main()
