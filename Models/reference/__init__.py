"""The parts of Models/bench.py."""
