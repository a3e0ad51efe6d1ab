"""Dense networks as others publish them, with what their code makes of a photo: what ours are
compared with. Each is imported from a throw-away environment, or from a checkout, and nothing of it
is copied here.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import tempfile
import types
import warnings
from pathlib import Path
from unittest import mock

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from dense.networks import MEAN, STD


def normalised(photo: Image.Image, size: int) -> Tensor:
    """A photo as (1, 3, size, size), distorted."""
    pixels = np.asarray(photo.resize((size, size), Image.Resampling.BILINEAR), np.float32)
    pixels = (pixels - np.float32(MEAN)) / np.float32(STD)
    return torch.from_numpy(pixels.transpose(2, 0, 1).copy())[None]


class Reference:
    """A network of others, with their names in its state dict. `classifier` is its last layer."""

    network: nn.Module
    classifier: nn.Conv2d

    def logits(self, image: Tensor) -> Tensor:
        raise NotImplementedError

    def checkpoint(self) -> dict:
        """The content of a file as they save it."""
        return self.network.state_dict()

    def labels(self, photo: Image.Image, size: int) -> np.ndarray:
        """The map of a photo, (H, W): distorted to size × size, logits resized to that and then to
        the photo."""
        logits = self.logits(normalised(photo, size))
        logits = F.interpolate(logits, size=(size, size), mode="bilinear")
        logits = F.interpolate(logits, size=photo.size[::-1], mode="bilinear")[0]
        return logits.argmax(0).numpy()


class SegFormer(Reference):
    """Hugging Face's `transformers`."""

    def __init__(self, config, classes: int):
        from transformers import SegformerConfig, SegformerForSemanticSegmentation

        self.network = SegformerForSemanticSegmentation(
            SegformerConfig(
                depths=list(config.depths),
                hidden_sizes=list(config.widths),
                decoder_hidden_size=config.decoder,
                num_labels=classes,
            )
        ).eval()
        self.classifier = self.network.decode_head.classifier

    def logits(self, image: Tensor) -> Tensor:
        return self.network(image).logits


class LiteHRNetOCR(Reference):
    """MMPose's backbone and MMSegmentation's heads, put together as its `CascadeEncoderDecoder`
    does."""

    def __init__(self, config, classes: int):
        # Kernels in CUDA, which the networks here have no use for.
        sys.modules.setdefault("mmcv.ops", mock.MagicMock())
        warnings.filterwarnings("ignore", module="mm(cv|seg)")
        for name in ("models", "models.backbones"):
            without_contents(f"mmpose.{name}")
        for name in ("models", "models.decode_heads"):
            without_contents(f"mmseg.{name}")
        from mmpose.models.backbones.litehrnet import LiteHRNet
        from mmseg.models.decode_heads.fcn_head import FCNHead
        from mmseg.models.decode_heads.ocr_head import OCRHead

        widths = [config.branches[: stage + 2] for stage in range(3)]
        extra = {
            "stem": {"stem_channels": config.stem, "out_channels": config.stem, "expand_ratio": 1},
            "num_stages": 3,
            "stages_spec": {
                "num_modules": config.modules, "num_branches": (2, 3, 4), "num_blocks": (2, 2, 2),
                "module_type": ("LITE",) * 3, "with_fuse": (True,) * 3, "reduce_ratios": (8,) * 3,
                "num_channels": widths,
            },
            "with_head": True,
        }  # fmt: skip
        width = config.branches[0]
        common = {
            "in_channels": width, "in_index": 0, "num_classes": classes, "norm_cfg": {"type": "BN"},
            "dropout_ratio": -1, "align_corners": False,
        }  # fmt: skip
        self.network = nn.Module()
        self.network.backbone = LiteHRNet(extra)
        guess = FCNHead(channels=width, kernel_size=1, num_convs=1, concat_input=False, **common)
        context = OCRHead(channels=config.places, ocr_channels=config.attention, **common)
        self.network.decode_head = nn.ModuleList([guess, context])
        self.network.eval()
        self.classifier = context.conv_seg

    def logits(self, image: Tensor) -> Tensor:
        maps = self.network.backbone(image)
        guess, context = self.network.decode_head
        return context(maps, guess(maps))

    def checkpoint(self) -> dict:
        return {"meta": {"epoch": 1}, "state_dict": self.network.state_dict()}


class SCHP(Reference):
    """A checkout of GoGoDuck912/Self-Correction-Human-Parsing, with what its extractor does.

    Its norms are kernels in CUDA; here is what these compute, in torch.
    """

    def __init__(self, checkout: Path, classes: int):
        for folder in (checkout, checkout / "mhp_extension"):
            if str(folder) not in sys.path:
                sys.path.insert(0, str(folder))
        kernels = types.SimpleNamespace(
            forward=self.normalise,
            leaky_relu_forward=lambda x, slope: F.leaky_relu(x, slope, inplace=True),
        )
        with mock.patch("torch.utils.cpp_extension.load", lambda **arguments: kernels):
            networks = importlib.import_module("networks")
        self.network = networks.init_model("resnet101", num_classes=classes, pretrained=None).eval()
        self.classifier = self.network.fushion[3]

    @staticmethod
    def normalise(x, mean, var, weight, bias, affine, eps) -> None:
        """Mean and variance to those of `bias` and |`weight`| + ε, in place."""
        if not affine:
            raise ValueError("all norms of this network have weights")
        factor = (weight.abs() + eps) * (var + eps).rsqrt()
        shape = (1, -1, 1, 1)
        x.sub_(mean.view(shape)).mul_(factor.view(shape)).add_(bias.view(shape))

    def logits(self, image: Tensor) -> Tensor:
        return self.network(image)[0][-1]

    def checkpoint(self) -> dict:
        state = {f"module.{name}": x for name, x in self.network.state_dict().items()}
        return {"epoch": 150, "state_dict": state}

    def photo_logits(self, photo: Image.Image, size: int) -> np.ndarray:
        """Logits (H, W, C) at the size of a photo."""
        from datasets.simple_extractor_dataset import SimpleFolderDataset
        from torchvision import transforms
        from utils.transforms import transform_logits

        normalise = transforms.Normalize(mean=[0.406, 0.456, 0.485], std=[0.225, 0.224, 0.229])
        with tempfile.TemporaryDirectory() as folder:
            photo.save(Path(folder) / "photo.png", icc_profile=None)
            steps = transforms.Compose([transforms.ToTensor(), normalise])
            image, place = SimpleFolderDataset(folder, [size, size], steps)[0]
        logits = F.interpolate(
            self.logits(image[None]), size=(size, size), mode="bilinear", align_corners=True
        )[0].permute(1, 2, 0)
        return transform_logits(
            logits.numpy(), place["center"], place["scale"], place["width"], place["height"],
            input_size=[size, size],
        )  # fmt: skip

    def labels(self, photo: Image.Image, size: int) -> np.ndarray:
        return self.photo_logits(photo, size).argmax(2)

    def labels_of_several(
        self, photo: Image.Image, size: int, boxes: list[tuple[int, int, int, int]]
    ) -> np.ndarray:
        """The map of a photo, (H, W), and of boxes (x0, y0, x1, y1) of persons in it, put
        together."""
        # What spreads photos over processes.
        sys.modules.setdefault("joblib", mock.MagicMock())
        from logits_fusion import patch2img_output

        with tempfile.TemporaryDirectory() as folder:
            for number, box in enumerate(boxes, start=1):
                crop = self.photo_logits(photo.crop(box), size)
                np.save(Path(folder) / f"photo_{number}_msrcnn.npy", crop)
            last_included = [(x0, y0, x1 - 1, y1 - 1) for x0, y0, x1, y1 in boxes]
            classes = self.classifier.out_channels
            crops = patch2img_output(
                folder, "photo.png", photo.height, photo.width, last_included, "msrcnn", classes
            )
        return (self.photo_logits(photo, size) + crops).argmax(2)


def without_contents(name: str) -> None:
    """Lets modules of a package be imported without all that the package imports for itself."""
    if name not in sys.modules:
        module = types.ModuleType(name)
        module.__path__ = list(importlib.util.find_spec(name).submodule_search_locations)
        sys.modules[name] = module


def seed_weights(reference: Reference, photo: Image.Image, size: int) -> None:
    """Weights that let every layer matter, norms' negative factors included, and every class
    appear: over the photo each class's logits have a mean of 0 and a deviation of 1."""
    generator = torch.Generator().manual_seed(0)
    for key, x in reference.network.state_dict().items():
        if not x.is_floating_point():
            continue
        noise = torch.randn(x.shape, generator=generator)
        if key.endswith("running_var"):
            x.copy_(0.5 + noise.abs())
        elif x.dim() > 1:
            x.copy_(noise * x[0].numel() ** -0.5)
        elif key.endswith("weight"):
            x.copy_(1 + 0.3 * noise)
            x[::7].neg_()
        else:
            x.copy_(0.3 * noise)
    variance, mean = torch.var_mean(reference.logits(normalised(photo, size)), dim=(0, 2, 3))
    factor = variance.rsqrt()
    reference.classifier.weight.mul_(factor[:, None, None, None])
    reference.classifier.bias.sub_(mean).mul_(factor)
