"""The network: its size, its names, and that what was made cheap computes the same."""

import dataclasses
import unittest

import torch
import torch.nn.functional as F

from commands.fixture_models import counting_image, make_small_m2fp
from m2fp.config import CONFIGS
from m2fp.contract import for_dataset
from m2fp.layers import MultiHeadAttention, sine_positions
from m2fp.model import M2FP


class Size(unittest.TestCase):
    def test_official_architecture_has_the_published_number_of_parameters(self):
        model = M2FP(CONFIGS["m2fp-r101"])
        count = sum(x.numel() for x in model.parameters())
        self.assertEqual(f"{count / 1e6:.2f}", "63.12")

    def test_names_are_the_checkpoints(self):
        names = M2FP(CONFIGS["m2fp-r50"]).state_dict().keys()
        decoder = "sem_seg_head.pixel_decoder"
        predictor = "sem_seg_head.predictor"
        for name in (
            "backbone.stem.conv1.norm.running_var",
            "backbone.res4.5.conv3.weight",
            "backbone.res2.0.shortcut.norm.bias",
            f"{decoder}.input_proj.2.1.weight",
            f"{decoder}.transformer.level_embed",
            f"{decoder}.transformer.encoder.layers.5.self_attn.sampling_offsets.bias",
            f"{decoder}.adapter_1.norm.weight",
            f"{decoder}.layer_1.weight",
            f"{decoder}.mask_features.bias",
            f"{predictor}.transformer_self_attention_layers.8.self_attn.in_proj_weight",
            f"{predictor}.transformer_cross_attention_layers.0.multihead_attn.out_proj.bias",
            f"{predictor}.transformer_ffn_layers.3.linear2.weight",
            f"{predictor}.query_embed.weight",
            f"{predictor}.class_embed.weight",
            f"{predictor}.mask_embed.layers.2.bias",
        ):
            self.assertIn(name, names)

    def test_classes_follow_the_data_set(self):
        config = CONFIGS["m2fp-r101"]
        self.assertEqual(for_dataset(config, "cihp").num_classes, 21)
        self.assertEqual(for_dataset(config, "lip").num_classes, 20)


class Outputs(unittest.TestCase):
    def test_shapes_follow_the_image(self):
        model = make_small_m2fp().eval()
        with torch.no_grad():
            for height, width in ((64, 64), (96, 160), (224, 32)):
                logits, masks = model(counting_image(height, width))
                self.assertEqual(logits.shape, (1, 10, 22))
                self.assertEqual(masks.shape, (1, 10, height // 4, width // 4))

    def test_last_layer_predicts_what_forward_returns(self):
        model = make_small_m2fp().eval()
        image = counting_image(64, 96).expand(2, -1, -1, -1)
        with torch.no_grad():
            layers = model.forward_layers(image)
            logits, masks = model(image)
        self.assertEqual(len(layers), 1 + model.config.decoder_layers)
        torch.testing.assert_close(layers[-1][0], logits)
        torch.testing.assert_close(layers[-1][1], masks)
        self.assertGreater((layers[0][1] - masks).abs().max().item(), 1e-3)

    def test_every_parameter_learns(self):
        model = make_small_m2fp()
        layers = model.forward_layers(counting_image(64, 96))
        sum(logits.square().sum() + masks.square().sum() for logits, masks in layers).backward()
        for name, x in model.named_parameters():
            # A constant added to every key moves no softmax.
            if "multihead_attn.in_proj_bias" not in name:
                self.assertGreater(x.grad.abs().sum().item(), 0, name)

    def test_folding_batch_norms_changes_nothing(self):
        torch.manual_seed(0)
        config = dataclasses.replace(CONFIGS["m2fp-r50"], encoder_layers=1, decoder_layers=1)
        backbone = M2FP(config).backbone.eval()
        for module in backbone.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_mean.normal_(std=0.2)
                module.running_var.uniform_(0.5, 2)
                torch.nn.init.uniform_(module.weight, 0.3, 1)
                torch.nn.init.normal_(module.bias, std=0.2)
        image = counting_image(64, 64)
        with torch.no_grad():
            before = backbone(image)
            for module in backbone.modules():
                if hasattr(module, "fold_batch_norm"):
                    module.fold_batch_norm()
            after = backbone(image)
        self.assertFalse(any(isinstance(m, torch.nn.BatchNorm2d) for m in backbone.modules()))
        for name, x in before.items():
            torch.testing.assert_close(after[name], x, rtol=1e-4, atol=1e-4 * x.abs().max().item())


class Attention(unittest.TestCase):
    """Against torch's module, which has the same parameters."""

    def setUp(self):
        torch.manual_seed(0)
        self.theirs = torch.nn.MultiheadAttention(32, 4, batch_first=True)
        torch.nn.init.normal_(self.theirs.in_proj_bias)
        self.ours = MultiHeadAttention(32, 4)
        self.ours.load_state_dict(self.theirs.state_dict())
        self.x, self.positions = torch.randn(2, 7, 32), torch.randn(7, 32)

    def test_self_attention(self):
        query = self.x + self.positions
        expected, _ = self.theirs(query, query, self.x)
        torch.testing.assert_close(self.ours.self_attention(self.x, self.positions), expected)

    def test_cross_attention(self):
        key, value = torch.randn(2, 11, 32), torch.randn(2, 11, 32)
        blocked = torch.rand(2, 7, 11) < 0.5
        expected, _ = self.theirs(
            self.x + self.positions, key, value, attn_mask=blocked.repeat_interleave(4, dim=0)
        )
        actual = self.ours.cross_attention(self.x, self.positions, key, value, blocked)
        torch.testing.assert_close(actual, expected)


class Commuting(unittest.TestCase):
    def test_resizing_features_equals_resizing_their_product(self):
        torch.manual_seed(0)
        embedding, features = torch.randn(1, 5, 16), torch.randn(1, 16, 24, 40)
        masks = torch.einsum("bqc,bchw->bqhw", embedding, features)
        size = (3, 5)
        expected = F.interpolate(masks, size=size, mode="bilinear", align_corners=False)
        resized = F.interpolate(features, size=size, mode="bilinear", align_corners=False)
        actual = torch.einsum("bqc,bchw->bqhw", embedding, resized)
        torch.testing.assert_close(actual, expected, rtol=0, atol=1e-5)

    def test_positions_are_the_formula(self):
        height, width, dim = 3, 5, 16
        positions = sine_positions(torch.empty(1, 1, height, width), dim)
        row, column, i = 1, 4, 3
        for offset, place, size in ((0, row, height), (dim // 2, column, width)):
            phase = (place + 1) / size * 2 * torch.pi / 10000 ** (2 * i / (dim // 2))
            sine, cosine = positions[row * width + column, offset + 2 * i :][:2].tolist()
            self.assertAlmostEqual(sine, float(torch.sin(torch.tensor(phase))), places=5)
            self.assertAlmostEqual(cosine, float(torch.cos(torch.tensor(phase))), places=5)


if __name__ == "__main__":
    unittest.main()
