"""Anybody's TorchScript file becomes an archive, or a message names the field that is wrong."""

import tempfile
import tomllib
import unittest
from pathlib import Path

import torch
from torch import Tensor, nn

from commands import wrap
from m2fp import archive
from m2fp.contract import make_palette

CONTRACTS = Path(__file__).resolve().parents[1] / "dense" / "contracts"


class Several(nn.Module):
    """Logits (1, 3, H/2, W/2) among other things."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Conv2d(3, 3, 3, stride=2, padding=1)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        logits = self.layer(image)
        return logits.mean(), logits


class Named(Several):
    def forward(self, image: Tensor) -> dict[str, Tensor]:
        return {"out": self.layer(image), "aux": image}


class One(Several):
    def forward(self, image: Tensor) -> Tensor:
        return self.layer(image)


class Senseless(Several):
    def forward(self, image: Tensor) -> Tensor:
        return self.layer(image) / 0.0 * 0.0


def contract(**changes) -> dict:
    return {
        "name": "x",
        "licence": "CC-BY-NC-4.0",
        "classes": ["Background", "Hair", "Face"],
        "input": {
            "mode": "stretch", "width": 24, "height": 16, "levels": 1, "order": "bgr",
            "mean": [0.5, 0.25, 0], "std": [0.5, 0.2, 1],
        },
        "logits": {"stride": 2},
    } | changes  # fmt: skip


class Wrap(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def script(self, network: nn.Module) -> Path:
        path = self.folder / "network.pt"
        torch.jit.save(torch.jit.script(network.eval()), str(path))
        return path

    def test_one_of_several_outputs_is_taken(self):
        image = torch.randn(1, 3, 16, 24)
        for network, output in ((Several(), 1), (Named(), "out"), (One(), None)):
            with self.subTest(output=output), torch.no_grad():
                wanted = contract() if output is None else contract(output=output)
                frozen, complete = wrap.wrap(self.script(network), wanted)
                path = self.folder / "archive.pt"
                archive.save_archive(frozen, complete, path)
                loaded, read = archive.load_archive(path)
                self.assertEqual(read, complete)
                torch.testing.assert_close(loaded(image), network.layer(image))

    def test_the_contract_is_in_m2fps_terms(self):
        _, complete = wrap.wrap(self.script(One()), contract(notice="careful"))
        self.assertEqual(
            complete["preprocess"],
            {
                "mode": "stretch", "width": 24, "height": 16, "divisor": 1, "channel_order": "bgr",
                "mean": [127.5, 63.75, 0], "std": [127.5, 51, 255],
            },
        )  # fmt: skip
        self.assertEqual(
            complete["postprocess"], {"mode": "dense", "stride": 2, "align_corners": False}
        )
        self.assertEqual((complete["commercial_use"], complete["notice"]), (False, "careful"))
        # At least the logits that the network returns.
        self.assertGreaterEqual(complete["activation_bytes"], 4 * 3 * 8 * 12)
        self.assertLess(complete["activation_bytes"], 1 << 20)
        self.assertEqual(complete["palette"], [[0, 0, 0], [128, 0, 0], [0, 128, 0]])
        self.assertEqual(len({tuple(colour) for colour in make_palette(255)}), 255)

    def test_contracts_of_published_files_fit_what_those_return(self):
        # As Sapiens' head: logits of 28 classes at half the input's size.
        network = nn.Sequential(nn.AvgPool2d(8), nn.Conv2d(3, 28, 1), nn.Upsample(scale_factor=4))
        paths = sorted(CONTRACTS.glob("*.toml"))
        self.assertEqual([path.name for path in paths], ["sapiens-seg.toml"])
        with open(paths[0], "rb") as file:
            _, complete = wrap.wrap(self.script(network), tomllib.load(file))
        self.assertEqual(complete["classes"][2], "Face_Neck")
        self.assertEqual(complete["palette"][2], [128, 200, 255])
        self.assertEqual(complete["postprocess"]["stride"], 2)
        self.assertEqual(
            complete["preprocess"],
            {
                "mode": "stretch", "width": 768, "height": 1024, "divisor": 1,
                "mean": [123.675, 116.28, 103.53], "std": [58.395, 57.12, 57.375],
            },
        )  # fmt: skip
        self.assertFalse(complete["commercial_use"])

    def test_crops_are_passed_on(self):
        crops = {"margin": 0.1, "outside": "whole"}
        _, complete = wrap.wrap(self.script(One()), contract(crops=crops))
        self.assertEqual(complete["postprocess"]["crops"], crops)

    def test_what_is_wrong_is_named(self):
        stretch = contract()["input"]
        cases = (
            (One(), {"classes": ["a", "b"]}, "(1, 3, 8, 12)"),
            (One(), {"logits": {"stride": 4}}, "promise (1, 3, 4, 6)"),
            (One(), {"logits": {}}, "lacks 'logits.stride'"),
            (One(), {"output": 0}, "returns one tensor"),
            (Several(), {"output": 2}, "returns 2 values"),
            (Several(), {}, "'output' has to be a number"),
            (Named(), {"output": "logits"}, "'out', 'aux'"),
            (One(), {"input": stretch | {"mode": "fit"}}, "'input.mode' is one of"),
            (One(), {"input": stretch | {"mean": [1, 2]}}, "'input.mean' has to be three"),
            (One(), {"input": stretch | {"levels": 2}}, "'input.levels' is 1 or 255"),
            (One(), {"input": stretch | {"order": "gbr"}}, "'input.order' is rgb or bgr"),
            (One(), {"name": 3}, "'name' has the wrong type"),
            (Senseless(), {}, "values that are no numbers"),
            (One(), {"classes": "art"}, "one of atr, celebamask, cihp, lip"),
            (One(), {"classes": "atr"}, "promise (1, 18, 8, 12)"),
        )
        for network, changes, words in cases:
            with self.subTest(words), self.assertRaisesRegex(wrap.WrapError, ".") as caught:
                wrap.wrap(self.script(network), contract(**changes))
            self.assertIn(words, str(caught.exception))

    def test_what_is_no_torchscript_is_refused(self):
        path = self.folder / "weights.pt"
        torch.save({"weight": torch.ones(1)}, path)
        with self.assertRaisesRegex(wrap.WrapError, "no TorchScript file"):
            wrap.wrap(path, contract())


if __name__ == "__main__":
    unittest.main()
