"""Reading checkpoints: layouts, strictness, safety."""

import pickle
import tempfile
import unittest
from pathlib import Path

import torch
from torch import nn

from m2fp.checkpoint import CheckpointError, load_strictly, read_state_dict


def small_model() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Linear(4, 2))


class Reading(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name) / "checkpoint.pt"
        self.state = small_model().state_dict()

    def test_every_layout(self):
        optimiser = torch.optim.AdamW(small_model().parameters()).state_dict()
        for content in (
            {"model": self.state},
            {"model": self.state, "optimizer": optimiser, "iteration": 9, "scheduler": {"e": 1}},
            self.state,
            {"meta": {"epoch": 1}, "state_dict": self.state},
            {"epoch": 1, "state_dict": {f"module.{name}": x for name, x in self.state.items()}},
        ):
            for zipped in (True, False):
                torch.save(content, self.path, _use_new_zipfile_serialization=zipped)
                state = read_state_dict(self.path)
                self.assertEqual(state.keys(), self.state.keys())
                self.assertTrue(torch.equal(state["0.weight"], self.state["0.weight"]))

    def test_parameters_and_half_precision(self):
        torch.save({"w": nn.Parameter(torch.ones(2)), "h": torch.ones(2).half()}, self.path)
        self.assertEqual(read_state_dict(self.path)["h"].dtype, torch.float16)

    def test_code_in_a_pickle_is_refused_and_not_run(self):
        class Harmful:
            def __reduce__(self):
                return (print, ("run",))

        marker = self.path.with_name("marker")

        class Writes:
            def __reduce__(self):
                return (Path.touch, (marker,))

        for content in ({"model": self.state, "extra": Harmful()}, Writes()):
            torch.save(content, self.path)
            with self.assertRaisesRegex(CheckpointError, "refused"):
                read_state_dict(self.path)
        self.path.write_bytes(pickle.dumps(Writes()))
        with self.assertRaises(CheckpointError):
            read_state_dict(self.path)
        # The layout of torch before 1.6.
        torch.save(Writes(), self.path, _use_new_zipfile_serialization=False)
        with self.assertRaisesRegex(CheckpointError, "refused"):
            read_state_dict(self.path)
        self.assertFalse(marker.exists())

    def test_what_is_no_checkpoint(self):
        with self.assertRaisesRegex(CheckpointError, "No such file"):
            read_state_dict(self.path)
        torch.save({"model": self.state}, self.path)
        whole = self.path.read_bytes()
        for content in (b"", b"not a checkpoint", whole[: len(whole) // 2], bytes(1000)):
            self.path.write_bytes(content)
            with self.assertRaisesRegex(CheckpointError, "damaged"):
                read_state_dict(self.path)
        for content in ({"epoch": 3}, [1, 2], {"model": {"a": 1}}, torch.zeros(3)):
            torch.save(content, self.path)
            with self.assertRaisesRegex(CheckpointError, "no weights"):
                read_state_dict(self.path)


class Loading(unittest.TestCase):
    def test_ignores_loss_weights_and_missing_counters(self):
        state = small_model().state_dict()
        del state["1.num_batches_tracked"]
        state["criterion.empty_weight"] = torch.ones(3)
        model = small_model()
        load_strictly(model, state)
        self.assertTrue(torch.equal(model[0].weight, state["0.weight"]))

    def test_names_everything_that_does_not_fit(self):
        state = small_model().state_dict()
        del state["1.running_mean"]
        state["2.weight"] = torch.zeros(3, 4)
        state["head.bias"] = torch.zeros(7)
        state["0.bias"] = torch.full((4,), float("nan"))
        state["1.bias"] = "text"
        model = small_model()
        before = {name: x.clone() for name, x in model.state_dict().items()}
        with self.assertRaises(CheckpointError) as caught:
            load_strictly(model, state)
        message = str(caught.exception)
        for line in (
            "5 tensors",
            "missing: 1.running_mean (4,)",
            "mis-shaped: 2.weight is (3, 4), the model has (2, 4)",
            "surplus: head.bias (7,)",
            "not finite: 0.bias",
            "not a tensor: 1.bias (str)",
        ):
            self.assertIn(line, message)
        for name, x in model.state_dict().items():
            self.assertTrue(torch.equal(x, before[name]), name)


if __name__ == "__main__":
    unittest.main()
