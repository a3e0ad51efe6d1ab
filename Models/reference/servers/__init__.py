"""Servers that people put before such models now, each round one that sleeps: `serve_bench` runs them.

Each is a program `python SERVER.py SECONDS JOBS PORT`, written from its library's documentation, that takes
a photo by `POST /v1/parse` or what its library calls that, and sleeps as long for each. Those whose library
leaves the queue to its user get one as long as m2fp's.
"""
