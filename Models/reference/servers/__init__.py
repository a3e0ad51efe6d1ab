"""Servers that people put before such models now, each round one that sleeps: `serve_bench` runs them.

Each is written from its library's documentation, takes a photo by `POST` and sleeps as long for each. Those
whose library bounds what waits get a queue as long as m2fp's.
"""
