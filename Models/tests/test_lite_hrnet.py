"""Lite-HRNet with OCRNet's head: shapes, sizes, the published checkpoints' names, the exchange of
maps."""

import unittest
from unittest import mock

import torch
from torch import nn

from dense import lite_hrnet
from dense.lite_hrnet import CONFIGS, Config, LiteHRNet, LiteHRNetOCR, Module, shuffle

SMALL = Config((1, 1, 1), stem=4, branches=(8, 8, 16, 16), places=8, attention=4)


class Network(unittest.TestCase):
    def test_logits_at_every_fourth_pixel(self):
        torch.manual_seed(0)
        network = LiteHRNetOCR(SMALL, 5).eval()
        with torch.no_grad():
            for height, width in ((64, 96), (128, 32)):
                logits = network(torch.randn(1, 3, height, width))
                self.assertEqual(logits.shape, (1, 5, height // 4, width // 4))
                self.assertGreater(logits.std(dim=(2, 3)).min().item(), 0)

    def test_sizes_are_the_papers(self):
        # Table 3, in millions of parameters.
        for name, millions in (("18", 1.1), ("30", 1.8)):
            network = LiteHRNet(CONFIGS[f"lite-hrnet-{name}-ocr"])
            count = sum(x.numel() for x in network.parameters()) / 1e6
            self.assertAlmostEqual(count, millions, delta=0.06)

    def test_names_and_shapes_are_those_of_the_checkpoints(self):
        network = LiteHRNetOCR(CONFIGS["lite-hrnet-18-ocr"], 20)
        shapes = {name: tuple(x.shape) for name, x in network.state_dict().items()}
        block = "backbone.stage2.1.layers.1"
        for name, shape in (
            ("backbone.stem.conv1.conv.weight", (32, 3, 3, 3)),
            ("backbone.stem.branch1.1.bn.weight", (16,)),
            ("backbone.stem.linear_conv.conv.weight", (16, 32, 1, 1)),
            ("backbone.transition0.0.2.weight", (40, 32, 1, 1)),
            ("backbone.transition1.2.0.0.weight", (80, 1, 3, 3)),
            ("backbone.transition2.3.0.3.running_mean", (320,)),
            (f"{block}.cross_resolution_weighting.conv1.conv.weight", (37, 300, 1, 1)),
            (f"{block}.cross_resolution_weighting.conv2.bn.bias", (300,)),
            (f"{block}.depthwise_convs.3.conv.weight", (160, 1, 3, 3)),
            (f"{block}.spatial_weighting.0.conv1.conv.bias", (5,)),
            ("backbone.stage2.0.fuse_layers.0.3.0.weight", (40, 320, 1, 1)),
            ("backbone.stage2.0.fuse_layers.3.0.1.2.weight", (40, 40, 1, 1)),
            ("backbone.stage2.0.fuse_layers.3.0.2.2.weight", (320, 40, 1, 1)),
            ("backbone.head_layer.projects.0.pointwise_conv.conv.weight", (160, 320, 1, 1)),
            ("backbone.head_layer.projects.3.depthwise_conv.bn.weight", (40,)),
            ("decode_head.0.convs.0.conv.weight", (40, 40, 1, 1)),
            ("decode_head.0.conv_seg.weight", (20, 40, 1, 1)),
            ("decode_head.1.bottleneck.conv.weight", (512, 40, 3, 3)),
            ("decode_head.1.object_context_block.key_project.1.conv.weight", (256, 256, 1, 1)),
            ("decode_head.1.object_context_block.out_project.bn.weight", (512,)),
            ("decode_head.1.object_context_block.bottleneck.conv.weight", (512, 1024, 1, 1)),
            ("decode_head.1.conv_seg.bias", (20,)),
        ):
            self.assertEqual(shapes.get(name), shape, name)
        for name in ("transition1.0.0.weight", "stage2.0.fuse_layers.1.1.0.weight"):
            self.assertNotIn(f"backbone.{name}", shapes)
        self.assertNotIn(f"{block}.spatial_weighting.0.conv1.bn.weight", shapes)

    def test_channels_of_both_halves_take_turns(self):
        x = torch.arange(6.0)[None, :, None, None]
        self.assertEqual(shuffle(x).flatten().tolist(), [0, 3, 1, 4, 2, 5])

    def test_the_first_map_counts_twice_and_its_sum_in_the_others(self):
        with mock.patch.object(lite_hrnet, "BLOCKS", 0):
            module = Module([1, 1])
        up, down = (nn.Upsample(scale_factor=2), nn.AvgPool2d(2))
        module.fuse_layers = nn.ModuleList([nn.ModuleList([None, up]), nn.ModuleList([down, None])])
        high, low = torch.full((1, 1, 4, 4), 3.0), torch.full((1, 1, 2, 2), 0.5)
        first, second = module([high, low])
        self.assertEqual(first.unique().tolist(), [2 * 3 + 0.5])
        self.assertEqual(second.unique().tolist(), [2 * 6.5 + 0.5])


if __name__ == "__main__":
    unittest.main()
