"""Servers that people put before such models now, each round one that sleeps: `serve_bench` runs them.

Each is written from its library's documentation, takes a photo by `POST`, decodes it, sleeps as long for each and
answers with a map's PNG. Those whose library bounds what waits get a queue as long as m2fp's.
"""
