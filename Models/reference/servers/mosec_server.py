"""mosec (PyPI's mosec), whose server in Rust has a queue of its own; `--capacity` bounds it."""

import sys
import time

seconds, jobs, port = float(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
# It reads the command line itself.
sys.argv = [sys.argv[0], "--port", str(port), "--address", "127.0.0.1", "--capacity", str(8 * jobs), "--timeout", "30000",
            "--log-level", "error"]  # fmt: skip

from mosec import Server, Worker


class Sleeping(Worker):
    def deserialize(self, data: bytes) -> bytes:
        return data

    def serialize(self, data: bytes) -> bytes:
        return data

    def forward(self, data: bytes) -> bytes:
        time.sleep(seconds)
        return data[:1000]


if __name__ == "__main__":
    server = Server()
    server.append_worker(Sleeping, num=jobs)
    server.run()
