"""SegFormer: shapes, the published checkpoints' names, and the exporter's manners."""

import json
import tempfile
import unittest
from argparse import Namespace
from pathlib import Path

import torch

from commands import export_dense
from dense.segformer import CONFIGS, Config, SegFormer
from m2fp import archive, checkpoint

SMALL = Config((8, 16, 40, 64), (1, 1, 1, 1), 16)


class Network(unittest.TestCase):
    def test_logits_at_every_fourth_pixel(self):
        torch.manual_seed(0)
        network = SegFormer(SMALL, 5).eval()
        with torch.no_grad():
            for height, width in ((64, 96), (128, 32)):
                logits = network(torch.randn(1, 3, height, width))
                self.assertEqual(logits.shape, (1, 5, height // 4, width // 4))
                self.assertGreater(logits.std(dim=(2, 3)).min().item(), 0)

    def test_sizes_are_the_papers(self):
        # Table 1, in millions of parameters, for 150 classes.
        for name, millions in (("b0", 3.8), ("b1", 13.7), ("b2", 27.5)):
            network = SegFormer(CONFIGS[f"segformer-{name}"], 150)
            count = sum(x.numel() for x in network.parameters()) / 1e6
            self.assertAlmostEqual(count, millions, delta=0.06)

    def test_names_are_those_of_hugging_face(self):
        names = set(SegFormer(CONFIGS["segformer-b0"], 18).state_dict())
        for name in (
            "segformer.encoder.patch_embeddings.0.proj.weight",
            "segformer.encoder.patch_embeddings.3.layer_norm.bias",
            "segformer.encoder.block.1.1.layer_norm_1.weight",
            "segformer.encoder.block.0.0.attention.self.sr.weight",
            "segformer.encoder.block.0.0.attention.self.layer_norm.weight",
            "segformer.encoder.block.3.0.attention.self.query.bias",
            "segformer.encoder.block.3.0.attention.output.dense.weight",
            "segformer.encoder.block.2.0.mlp.dwconv.dwconv.weight",
            "segformer.encoder.layer_norm.2.weight",
            "decode_head.linear_c.3.proj.weight",
            "decode_head.linear_fuse.weight",
            "decode_head.batch_norm.running_var",
            "decode_head.classifier.bias",
        ):
            self.assertIn(name, names)
        self.assertNotIn("segformer.encoder.block.3.0.attention.self.sr.weight", names)


class Export(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.labels = self.folder / "config.json"
        self.labels.write_text(json.dumps({"id2label": {"0": "Background", "1": "Hair"}}))

    def arguments(self, **changes) -> Namespace:
        return Namespace(
            **{
                "config": "segformer-b0", "checkpoint": None, "seed": 1, "labels": self.labels,
                "size": 64, "crops": False, "crop_network": None, "licence": "MIT",
                "out": self.folder / "model.pt",
            }
            | changes
        )  # fmt: skip

    def test_a_checkpoint_becomes_an_archive(self):
        torch.manual_seed(3)
        network = SegFormer(CONFIGS["segformer-b0"], 2).eval()
        weights = self.folder / "pytorch_model.bin"
        torch.save(network.state_dict(), weights)
        arguments = self.arguments(checkpoint=weights, seed=None)
        export_dense.export(arguments)
        loaded, contract = archive.load_archive(arguments.out)
        self.assertEqual(contract["classes"], ["Background", "Hair"])
        self.assertEqual(contract["source_sha256"], checkpoint.digest(weights))
        self.assertEqual(contract["postprocess"]["stride"], 4)
        image = torch.randn(1, 3, 64, 64)
        with torch.no_grad():
            torch.testing.assert_close(loaded(image), network(image), rtol=0, atol=1e-4)

    def test_classes_may_be_a_list_and_persons_parsed_by_themselves(self):
        self.labels.write_text(json.dumps({"classes": ["Background", "Hat", "Hair"]}))
        arguments = self.arguments(crops=True, crop_network="local")
        export_dense.export(arguments)
        _, contract = archive.load_archive(arguments.out)
        self.assertEqual(contract["classes"], ["Background", "Hat", "Hair"])
        crops = contract["postprocess"]["crops"]
        self.assertEqual(crops, {"margin": 0.1, "outside": "background", "network": "local"})

    def test_a_network_without_classes_of_its_own_wants_them(self):
        with self.assertRaisesRegex(export_dense.ExportError, "--labels names them"):
            export_dense.export(self.arguments(labels=None))
        with self.assertRaisesRegex(export_dense.ExportError, "multiple of 32"):
            export_dense.export(self.arguments(size=65))

    def test_what_does_not_fit_is_refused_and_nothing_written(self):
        state = SegFormer(CONFIGS["segformer-b0"], 3).state_dict()
        weights = self.folder / "pytorch_model.bin"
        torch.save(state, weights)
        arguments = self.arguments(checkpoint=weights, seed=None)
        with self.assertRaisesRegex(checkpoint.CheckpointError, "mis-shaped: decode_head"):
            export_dense.export(arguments)
        for content in ("{}", "[]", "no JSON"):
            self.labels.write_text(content)
            with self.assertRaisesRegex(export_dense.ExportError, "id2label"):
                export_dense.export(self.arguments())
        self.assertFalse(arguments.out.exists())


if __name__ == "__main__":
    unittest.main()
