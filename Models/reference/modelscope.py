"""ModelScope's M2FP, imported from a throw-away environment: what ours is compared with.

Nothing of it is copied here (parts of it are CC BY-NC 4.0). ``enter_environment`` runs the calling
command again inside a virtual environment that has it; ``Reference`` wraps its network and pipeline.
"""

from __future__ import annotations

import contextlib
import importlib.machinery
import os
import subprocess
import sys
import tempfile
import types
import warnings
from pathlib import Path

# What the human-parsing code imports, without the dependencies of ModelScope's other 900 models.
# Its code for this model is the same, byte for byte, in 1.40.2, which imports a hub client that
# needs more.
REQUIREMENTS = (
    "modelscope==1.13.3",
    "mmcv-lite==2.2.0",
    "mmengine==0.10.7",
    "addict==2.4.0",
    "timm==0.4.12",
    "opencv-python-headless==4.8.1.78",
    *("packaging", "simplejson", "tqdm", "termcolor", "rich", "sortedcontainers", "gast", "six"),
    *("PyYAML", "python-dateutil", "astunparse"),
    *("requests", "urllib3", "idna", "certifi", "charset-normalizer"),
)
# OpenCV is the one of numpy 1.
TORCH_REQUIREMENTS = ("torch", "torchvision", "numpy<2", "pillow", "setuptools<81")
# Imported on the way and never used by this model: data sets, tables, a formatter, CUDA kernels.
STUBS = ("modelscope.msdatasets", "pandas", "yapf", "mmcv._ext")

# Marks an environment that is complete.
MARKER = "m2fp-reference"


def install(folder: Path, own_torch: bool = False) -> Path:
    """Make a virtual environment that has ModelScope in ``folder``, unless it is there already.

    Torch, torchvision, numpy and Pillow are the system's, or with ``own_torch`` PyPI's current ones,
    6 GB. Returns its Python.
    """
    python = folder / "bin" / "python"
    if not (folder / MARKER).exists():
        print("Installing ModelScope into a throw-away environment", flush=True)
        venv = [sys.executable, "-m", "venv", *([] if own_torch else ["--system-site-packages"])]
        subprocess.run([*venv, folder], check=True)
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        if own_torch:
            subprocess.run([*pip, *TORCH_REQUIREMENTS], check=True)
        subprocess.run([*pip, "--no-deps", "--ignore-installed", *REQUIREMENTS], check=True)
        (folder / MARKER).touch()
    return python


def enter_environment(folder: Path | None = None) -> None:
    """Run this command again in a virtual environment that has ModelScope.

    Returns inside the environment; the outer process ends here with the inner one's exit code.
    Parameters
    ----------
    folder : Path or None
        Where the environment is, or is made. By default it is temporary, and removed at the end.
    """
    if (Path(sys.prefix) / MARKER).exists():
        return
    with contextlib.ExitStack() as stack:
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="m2fp-")))
        python = install(folder)
        # ModelScope writes an index of its modules into its cache folder.
        environment = os.environ | {"MODELSCOPE_CACHE": str(folder / "cache")}
        sys.exit(subprocess.run([python, *sys.orig_argv[1:]], env=environment).returncode)


class _Stub(types.ModuleType):
    __path__: list[str] = []

    def __getattr__(self, name: str):
        if name.startswith("__"):
            raise AttributeError(name)
        # A class without arguments: calling mmcv's CUDA kernel fails, and it takes its CPU path.
        return type(name, (), {})


class _StubFinder:
    def find_spec(self, name: str, path=None, target=None):
        if any(name == stub or name.startswith(stub + ".") for stub in STUBS):
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec):
        return _Stub(spec.name)

    def exec_module(self, module) -> None:
        pass


class Reference:
    """ModelScope's network and the functions of its pipeline, for one of our configurations.

    Parameters
    ----------
    config : m2fp.config.Config
        A ResNet configuration.
    classes : list of str
        The parsing classes; the multi-person pipeline also gets "Human".
    single : bool
        Single-person: a semantic map, no instances.
    """

    def __init__(self, config, classes: list[str], single: bool):
        if not any(isinstance(finder, _StubFinder) for finder in sys.meta_path):
            sys.meta_path.insert(0, _StubFinder())
        import logging

        logging.disable(logging.INFO)
        warnings.filterwarnings("ignore", message="torch.meshgrid")
        from modelscope.models.cv.image_human_parsing.m2fp_net import M2FP
        from modelscope.pipelines.cv.image_human_parsing_pipeline import ImageHumanParsingPipeline

        levels = ["res2", "res3", "res4", "res5"]
        self.network = M2FP(
            "",
            backbone=dict(
                out_features=levels, depth=int(config.backbone.removeprefix("resnet")),
                num_groups=1, width_per_group=64, norm="BN", stem_out_channels=128,
                res2_out_channels=256, stride_in_1x1=False, res4_dilation=1, res5_dilation=1,
                res5_multi_grid=[1, 1, 1],
            ),
            encoder=dict(
                in_features=levels, transformer_in_features=levels[1:], common_stride=4,
                transformer_dropout=0.0, transformer_nheads=config.num_heads,
                transformer_dim_feedforward=config.encoder_ffn,
                transformer_enc_layers=config.encoder_layers, conv_dim=config.hidden_dim,
                mask_dim=config.mask_dim,
            ),
            decoder=dict(
                mask_classification=True, num_classes=config.num_classes,
                hidden_dim=config.hidden_dim, num_queries=config.num_queries,
                nheads=config.num_heads, dim_feedforward=config.decoder_ffn,
                dec_layers=config.decoder_layers, pre_norm=False, mask_dim=config.mask_dim,
                enforce_input_project=False,
            ),
            input_single_human=(
                dict(sizes=[[config.single_width, config.single_height]]) if single else None
            ),
            classes=classes if single else [*classes, "Human"],
            num_parsing=len(classes),
            single_human=single,
            parsing_on=not single,
            semantic_on=single,
            sem_seg_postprocess_before_inference=not single,
            device="cpu",
        ).eval()  # fmt: skip
        # Its constructor wants a model repository; its methods only want the network.
        self.pipeline = ImageHumanParsingPipeline.__new__(ImageHumanParsingPipeline)
        self.pipeline.model = self.network

    def preprocess(self, image: str, **sizes) -> dict:
        """Path of an image file to what ``forward`` takes; ``sizes`` are min_size, max_size."""
        return self.pipeline.preprocess(image, **sizes)

    def forward(self, inputs: dict) -> dict:
        """Network outputs (``outputs``, with the padded ``images`` beside them)."""
        import torch

        with torch.no_grad():
            return self.network.forward(inputs)

    def postprocess(self, outputs: dict) -> dict:
        """What its pipeline makes of ``forward``'s result.

        Returns
        -------
        dict
            ``labels`` (H, W) uint8, the argmax over classes; ``parts`` and ``humans``, lists of
            ``{"category_id", "score", "mask"}``, mask logits (H, W); and ``scores``, class name to
            score, for single-person only.
        """
        result = self.network.postprocess(outputs)
        found = result["eval_result"][0]
        if "parsing" in found:
            parsing = found["parsing"]
            semantic, parts = parsing["semantic_outputs"], parsing["part_outputs"]
            humans, scores = parsing["human_outputs"], {}
        else:
            semantic, parts, humans = found["sem_seg"], [], []
            listed = self.pipeline.postprocess(result)
            scores = dict(zip(listed["labels"], map(float, listed["scores"])))
        return {
            "semantic": semantic,
            "labels": semantic.argmax(0).byte().numpy(),
            "parts": parts,
            "humans": humans,
            "scores": scores,
        }
