"""An archive gives back the weights it was made from."""

import tempfile
import unittest
from pathlib import Path

import torch

from commands.recover import RecoveryError, recover
from m2fp import archive
from m2fp.config import CONFIGS
from m2fp.model import M2FP


def archived(model: M2FP) -> torch.jit.ScriptModule:
    archive.prepare(model, half=True)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.pt"
        archive.save_archive(archive.freeze(model, half=True), None, path)
        return archive.load_archive(path)[0]


class Recovery(unittest.TestCase):
    def test_recovers_every_weight_of_the_default_model(self):
        torch.manual_seed(1)
        model = M2FP(CONFIGS["m2fp-tiny"])
        for x in model.parameters():  # as in a trained network, no two vectors are the same
            torch.nn.init.normal_(x, std=0.2)
        module = archived(model)
        again = M2FP(CONFIGS["m2fp-tiny"])
        recover(module, again)
        for (name, expected), found in zip(model.named_parameters(), again.parameters()):
            torch.testing.assert_close(found, expected, msg=name)

    def test_refuses_another_network(self):
        other = torch.jit.freeze(torch.jit.script(torch.nn.Linear(2, 3).eval()))
        with self.assertRaisesRegex(RecoveryError, "another network"):
            recover(other, M2FP(CONFIGS["m2fp-tiny"]))


if __name__ == "__main__":
    unittest.main()
