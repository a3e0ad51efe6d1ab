"""mosec (PyPI's mosec), whose server in Rust has a queue of its own; its option --capacity bounds it.

It reads the command line itself; how long to sleep, and the number of workers, are in the environment.
"""

import os

from mosec import Server, Worker
from sleeping import parse

SECONDS, JOBS = float(os.environ["SECONDS_ASLEEP"]), int(os.environ["JOBS"])


class Sleeping(Worker):
    def deserialize(self, data: bytes) -> bytes:
        return data

    def serialize(self, data: bytes) -> bytes:
        return data

    def forward(self, data: bytes) -> bytes:
        # A worker sets no fields of the answer: how long it took is said behind the picture's end.
        labels, timing = parse(data, SECONDS)
        return labels + timing.encode()


if __name__ == "__main__":
    server = Server()
    server.append_worker(Sleeping, num=JOBS)
    server.run()
