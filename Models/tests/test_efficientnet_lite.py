import unittest

import torch
import torch.nn.functional as F

from m2fp.efficientnet_lite import EPSILON, EfficientNetLite, from_published


def published_weights() -> dict[str, torch.Tensor]:
    """Random weights by the published names: convolutions without bias, BatchNorms beside them."""
    torch.manual_seed(0)
    state = {}
    for module, weight, norm in EfficientNetLite().convolutions():
        width = module.out_channels
        state[f"{weight}.weight"] = torch.nn.init.kaiming_normal_(torch.empty_like(module.weight))
        state[f"{norm}.weight"] = torch.rand(width) + 0.5
        state[f"{norm}.bias"] = 0.1 * torch.randn(width)
        state[f"{norm}.running_mean"] = 0.1 * torch.randn(width)
        state[f"{norm}.running_var"] = torch.rand(width) + 0.5
    return state


class EfficientNetLiteTests(unittest.TestCase):
    def test_maps_have_their_strides_and_widths(self):
        encoder = EfficientNetLite().eval()
        with torch.no_grad():
            maps = encoder(torch.zeros(1, 3, 64, 96))
        for stride, name in ((4, "res2"), (8, "res3"), (16, "res4"), (32, "res5")):
            expected = (1, encoder.channels[name], 64 // stride, 96 // stride)
            self.assertEqual(maps[name].shape, expected)

    def test_size_is_that_of_lite2_without_its_classifier(self):
        # Published: 6.09 million, of which 0.45 are the last convolution, 1.28 the classifier.
        count = sum(x.numel() for x in EfficientNetLite().parameters())
        self.assertEqual(f"{count / 1e6:.2f}", "4.33")

    def test_folded_norms_compute_what_the_published_ones_do(self):
        state = published_weights()
        encoder = from_published(state).eval()
        image = torch.randn(1, 3, 32, 32)

        def layer(x, name, norm, **options):
            weight = state[f"{name}.weight"]
            x = F.conv2d(x, weight, padding=weight.shape[-1] // 2, **options)
            names = ("running_mean", "running_var", "weight", "bias")
            return F.batch_norm(x, *(state[f"{norm}.{n}"] for n in names), eps=EPSILON)

        x = F.relu6(layer(image, "_conv_stem", "_bn0", stride=2))
        x = F.relu6(layer(x, "_blocks.0._depthwise_conv", "_blocks.0._bn1", groups=32))
        x = layer(x, "_blocks.0._project_conv", "_blocks.0._bn2")
        x = F.relu6(layer(x, "_blocks.1._expand_conv", "_blocks.1._bn0"))
        x = F.relu6(layer(x, "_blocks.1._depthwise_conv", "_blocks.1._bn1", stride=2, groups=96))
        expected = layer(x, "_blocks.1._project_conv", "_blocks.1._bn2")
        with torch.no_grad():
            x = encoder.stages[0](F.relu6(encoder.stem(image)))
            torch.testing.assert_close(encoder.stages[1][0](x), expected, rtol=1e-4, atol=1e-4)

    def test_weights_of_another_network_are_refused(self):
        state = published_weights()
        state["_blocks.4._project_conv.weight"] = torch.zeros(40, 144, 1, 1)
        with self.assertRaisesRegex(ValueError, "_blocks.4._bn2.*40.*48"):
            from_published(state)


if __name__ == "__main__":
    unittest.main()
