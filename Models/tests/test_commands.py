"""`python3 Models COMMAND` from any folder, without an installation."""

import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

MODELS = Path(__file__).resolve().parents[1]


def run(*arguments: str) -> subprocess.CompletedProcess:
    with tempfile.TemporaryDirectory() as elsewhere:
        command = [sys.executable, str(MODELS), *arguments]
        return subprocess.run(command, cwd=elsewhere, capture_output=True, text=True)


class CommandTests(unittest.TestCase):
    def test_a_command_runs_from_any_folder(self):
        result = run("recover", "--help")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("usage: Models recover", result.stdout)

    def test_an_unknown_command_is_a_usage_error_that_lists_those_there_are(self):
        for arguments in ((), ("exprot",)):
            result = run(*arguments)
            self.assertEqual(result.returncode, 2)
            self.assertEqual(result.stdout, "")
            self.assertIn("export", result.stderr)

    def test_every_command_has_a_main(self):
        for path in (MODELS / "commands").glob("*.py"):
            if path.stem != "__init__":
                with self.subTest(path.stem):
                    self.assertIn("\ndef main(", path.read_text())


if __name__ == "__main__":
    unittest.main()
