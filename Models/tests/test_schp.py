"""SCHP: shapes, the published checkpoints' names, its norms."""

import unittest

import torch
import torch.nn.functional as F

from dense.schp import CLASSES, CONFIG, SCHP, SIZES, Config, InPlaceNorm

SMALL = Config((1, 1, 1, 1), stem=4, width=2, context=4, branch=8, detail=4)


class Network(unittest.TestCase):
    def test_logits_at_every_fourth_pixel_begun_ones_included(self):
        torch.manual_seed(0)
        network = SCHP(SMALL, 5).eval()
        with torch.no_grad():
            for height, width in ((65, 97), (64, 32), (70, 51)):
                logits = network(torch.randn(1, 3, height, width))
                self.assertEqual(logits.shape, (1, 5, -(-height // 4), -(-width // 4)))
                self.assertGreater(logits.std(dim=(2, 3)).min().item(), 0)

    def test_names_and_shapes_are_those_of_the_checkpoints(self):
        shapes = {name: tuple(x.shape) for name, x in SCHP(CONFIG, 20).state_dict().items()}
        for name, shape in (
            ("conv1.weight", (64, 3, 3, 3)),
            ("bn3.running_var", (128,)),
            ("layer1.0.downsample.0.weight", (256, 128, 1, 1)),
            ("layer2.0.downsample.1.bias", (512,)),
            ("layer3.22.conv2.weight", (256, 256, 3, 3)),
            ("layer4.2.bn3.weight", (2048,)),
            ("context_encoding.stages.3.1.weight", (512, 2048, 1, 1)),
            ("context_encoding.stages.0.2.running_mean", (512,)),
            ("context_encoding.bottleneck.0.weight", (512, 4096, 3, 3)),
            ("edge.conv3.0.weight", (256, 1024, 1, 1)),
            ("edge.conv4.weight", (2, 256, 3, 3)),
            ("edge.conv5.bias", (2,)),
            ("decoder.conv2.1.weight", (48,)),
            ("decoder.conv3.0.weight", (256, 304, 1, 1)),
            ("decoder.conv3.3.bias", (256,)),
            ("decoder.conv4.weight", (20, 256, 1, 1)),
            ("fushion.0.weight", (256, 1024, 1, 1)),
            ("fushion.3.bias", (20,)),
        ):
            self.assertEqual(shapes.get(name), shape, name)
        for name in ("layer1.1.downsample.0.weight", "fc.weight", "fushion.2.weight"):
            self.assertNotIn(name, shapes)

    def test_a_norms_factor_counts_by_its_size(self):
        torch.manual_seed(0)
        norm = InPlaceNorm(4).eval()
        x = torch.randn(1, 4, 5, 5)
        with torch.no_grad():
            norm.weight.copy_(torch.tensor([2.0, -2.0, 0.0, -0.5]))
            expected = F.leaky_relu(x * torch.tensor([2.0, 2.0, 0.0, 0.5])[:, None, None], 0.01)
            torch.testing.assert_close(norm(x), expected, rtol=1e-4, atol=1e-4)
            # ε keeps what a factor of 0 would hide.
            self.assertGreater(norm(x)[0, 2].std().item(), 0)

    def test_the_last_stage_is_as_large_as_the_one_before(self):
        network = SCHP(SMALL, 5).eval()
        sides = {}
        for name in ("layer3", "layer4"):
            network.get_submodule(name).register_forward_hook(
                lambda module, given, found, name=name: sides.update({name: found.shape[2:]})
            )
        with torch.no_grad():
            network(torch.randn(1, 3, 65, 97))
        self.assertEqual(sides["layer3"], sides["layer4"])

    def test_sets_of_classes_are_as_large_as_their_logits(self):
        self.assertEqual(
            {name: len(set(classes)) for name, classes in CLASSES.items()},
            {"cihp": 20, "lip": 20, "atr": 18, "pascal": 7},
        )
        self.assertEqual(SIZES.keys(), CLASSES.keys())


if __name__ == "__main__":
    unittest.main()
