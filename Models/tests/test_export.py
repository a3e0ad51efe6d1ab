"""Archives: any size after tracing, half storage, contract inside, and the command's manners."""

import os
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import torch

from commands import export
from commands.fixture_models import counting_image, make_small_m2fp
from m2fp import archive
from m2fp.config import CONFIGS
from m2fp.contract import for_dataset
from m2fp.model import M2FP

MODELS = Path(__file__).resolve().parents[1]
# None is the size that a model is traced at.
SIZES = ((32, 32), (96, 64), (64, 160), (128, 128), (192, 64), (96, 320))


class Archive(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name) / "model.pt"

    def check(self, half: bool, portable: bool):
        model = make_small_m2fp()
        archive.prepare(model, half=half, portable=portable)
        archive.save_archive(archive.freeze(model, half), {"name": "x"}, self.path)
        loaded, contract = archive.load_archive(self.path)
        self.assertEqual(contract, {"name": "x"})
        self.assertEqual("m2fp::deformable_attention" in str(loaded.graph), not portable)
        with torch.no_grad():
            for height, width in SIZES:
                image = counting_image(height, width)
                for actual, expected in zip(loaded(image), model(image), strict=True):
                    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-5)

    def test_any_size_after_tracing(self):
        self.check(half=False, portable=False)

    def test_portable(self):
        self.check(half=False, portable=True)

    def test_half_storage(self):
        self.check(half=False, portable=False)
        full = self.path.stat().st_size
        self.check(half=True, portable=False)
        self.assertLess(self.path.stat().st_size, 0.85 * full)

    def test_nothing_of_this_machine_is_inside(self):
        self.check(half=False, portable=False)
        self.assertNotIn(os.fsencode(MODELS), self.path.read_bytes())

    def test_without_contract(self):
        archive.save_archive(archive.freeze(make_small_m2fp().eval()), None, self.path)
        self.assertIsNone(archive.load_archive(self.path)[1])


class Command(unittest.TestCase):
    """The command itself, on a network of official names and few layers."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.out = self.folder / "out.pt"

    def run_export(self, *arguments: object) -> tuple[int, str]:
        """Exit code, and what it printed on stdout and stderr together."""
        printed = []

        def note(*words, **_):
            printed.append(" ".join(map(str, words)))

        argv = ["export", *map(str, arguments), "--out", str(self.out)]
        with mock.patch.object(sys, "argv", argv), mock.patch("builtins.print", note):
            code = export.main()
        return code, "\n".join(printed)

    def with_small_model(self):
        small = mock.patch.object(export, "M2FP", lambda config: make_small_m2fp())
        small.start()
        self.addCleanup(small.stop)

    def test_writes_a_proven_archive_from_a_checkpoint(self):
        self.with_small_model()
        checkpoint = self.folder / "weights.pt"
        torch.save({"model": make_small_m2fp().state_dict()}, checkpoint)
        code, printed = self.run_export("--config", "m2fp-r50", "--checkpoint", checkpoint)
        self.assertEqual(code, 0, printed)
        self.assertIn("6 sizes", printed)
        self.assertEqual(printed.count("no commercial use"), 1)
        _, contract = archive.load_archive(self.out)
        self.assertEqual(len(contract["source_sha256"]), 64)
        self.assertEqual(sorted(os.listdir(self.folder)), ["out.pt", "weights.pt"])

    def test_seeded_weights_and_single_person(self):
        self.with_small_model()
        code, printed = self.run_export("--config", "m2fp-r50", "--seed", 3, "--dataset", "lip")
        self.assertEqual(code, 0, printed)
        self.assertNotIn("commercial", printed)
        _, contract = archive.load_archive(self.out)
        self.assertEqual(contract["source_sha256"], "seed:3")
        self.assertEqual(contract["preprocess"]["mode"], "single")

    def test_an_archive_that_differs_is_not_written(self):
        self.with_small_model()
        honest = archive.load_archive

        def broken(path):
            module, contract = honest(path)
            return (lambda image: [x + 1e-3 for x in module(image)]), contract

        def undefined(path):
            module, contract = honest(path)
            return (lambda image: [x * float("nan") for x in module(image)]), contract

        for fault in (broken, undefined):
            with mock.patch.object(archive, "load_archive", fault):
                code, printed = self.run_export("--config", "m2fp-r50", "--seed", 1)
            self.assertEqual(code, 1)
            self.assertIn("nothing was written", printed)
            self.assertEqual(os.listdir(self.folder), [])

    def test_errors_are_one_line_and_a_code(self):
        self.with_small_model()
        code, printed = self.run_export(
            "--config", "m2fp-r50", "--checkpoint", self.folder / "none.pt"
        )
        self.assertEqual(code, 1)
        self.assertIn("none.pt: No such file", printed)
        self.out = self.folder / "missing" / "out.pt"
        code, printed = self.run_export("--config", "m2fp-r50", "--seed", 1)
        self.assertEqual(code, 1)
        self.assertIn("No such file", printed)

    def test_the_wrong_data_set_is_named_by_its_head(self):
        checkpoint = self.folder / "lip.pt"
        torch.save({"model": M2FP(for_dataset(CONFIGS["m2fp-r50"], "lip")).state_dict()}, checkpoint)
        code, printed = self.run_export("--config", "m2fp-r50", "--checkpoint", checkpoint)
        self.assertEqual(code, 1)
        self.assertIn("class_embed.weight is (21, 256), the model has (22, 256)", printed)
        self.assertFalse(self.out.exists())


if __name__ == "__main__":
    unittest.main()
