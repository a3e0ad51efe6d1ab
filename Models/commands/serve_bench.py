"""Measures m2fp's server beside those that people use now: `make serve-bench`.

All decode a photo, have a model that sleeps as long for each, and encode a map, so that what is seen is theirs: what
a request costs besides, how they bear twice as many photos as they can do, clients that leave, and whether they answer probes meanwhile.
They take turns in one run, on loopback, with as many workers each and, where they have one, as long a queue. What a
request costs is asked of all of them by turns, in an order that is drawn anew each time.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import http.client
import json
import os
import random
import re
import statistics
import subprocess
import sys
import time
import venv
from collections.abc import Callable, Iterator
from pathlib import Path

from commands.serve_load import Server, another, percentile, probe

ROOT = Path(__file__).resolve().parents[2]
SERVERS = Path(__file__).resolve().parents[1] / "reference" / "servers"
REQUIREMENTS = (
    "litserve==0.2.19",
    "mosec==0.9.8",
    "bentoml==1.4.40",
    "uvicorn",
    "fastapi",
    "pillow",
    "python-multipart",
)
WORK = ("decode", "resize", "infer", "merge", "encode", "work")
PATIENCE = 5.0  # seconds after which a client gives up
HANGUPS = 14


def form(name: str, photo: bytes) -> tuple[bytes, str]:
    """The photo as a form's file, and the field that says so."""
    head = f'--x\r\nContent-Disposition: form-data; name="{name}"; filename="a.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
    return (
        head.encode() + photo + b"\r\n--x--\r\n",
        "Content-Type: multipart/form-data; boundary=x\r\n",
    )


def base64_in_json(photo: bytes) -> tuple[bytes, str]:
    return (
        json.dumps({"input": {"image": base64.b64encode(photo).decode()}}).encode(),
        "Content-Type: application/json\r\n",
    )


def body(photo: bytes) -> tuple[bytes, str]:
    return photo, "Content-Type: image/jpeg\r\n"


class Peer:
    """A server as it is started, asked and probed."""

    def __init__(
        self, name: str, command: Callable[[str, int, str], list[str]], send: Callable[[bytes], tuple[bytes, str]] = body,
        path: str = "/v1/parse", health: str = "/livez", workers: int | None = None,
    ):  # fmt: skip
        self.name, self.command, self.send, self.path, self.health, self.workers = (
            name,
            command,
            send,
            path,
            health,
            workers,
        )


def peers(python: str, bench: str) -> list[Peer]:
    def script(name: str) -> Callable[[str, int, str], list[str]]:
        return lambda seconds, jobs, port: [python, str(SERVERS / name), seconds, str(jobs), port]

    return [
        Peer("m2fp", lambda seconds, jobs, port: [bench, "serve", seconds, str(jobs), port]),
        Peer(
            "ModelScope's shape",
            script("modelscope_shape.py"),
            send=base64_in_json,
            path="/call",
            workers=1,
        ),
        Peer("rembg's shape", script("rembg_shape.py"), send=lambda photo: form("file", photo)),
        Peer(
            "LitServe",
            script("litserve_server.py"),
            send=lambda photo: form("content", photo),
        ),
        Peer(
            "mosec",
            lambda seconds, jobs, port: [
                python, str(SERVERS / "mosec_server.py"), "--address", "127.0.0.1", "--port", port,
                "--capacity", str(9 * jobs), "--timeout", "30000", "--log-level", "error",
            ],
            path="/inference", health="/",
        ),
        Peer(
            "BentoML",
            lambda seconds, jobs, port: [
                python, "-m", "bentoml", "serve", "bentoml_service:Sleeping", "--working-dir", str(SERVERS), "--host", "127.0.0.1",
                "--port", port,
            ],
            send=lambda photo: form("photo", photo),
        ),
    ]  # fmt: skip


def at_work(header: dict[str, str], content: bytes) -> float:
    """Seconds from decoding a photo to the end of encoding its map, as the server says them in Server-Timing
    or, where it can set no field, at the end of its answer."""
    stages = dict(
        re.findall(
            r"(\w+);dur=([0-9.]+)", header.get("server-timing") or content[-40:].decode("latin-1")
        )
    )
    work = [stages[name] for name in stages if name in WORK]
    return sum(map(float, work)) / 1000


async def until_ready(
    server: Server, peer: Peer, photo: tuple[bytes, str], process: subprocess.Popen
) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if process.poll() is not None:
            break
        if (await server.ask("POST", peer.path, photo[0], fields=photo[1], patience=5))[0] == 200:
            return
        await asyncio.sleep(0.2)
    raise SystemExit(f"{peer.name} does not serve: its log lies in .build/serve-bench")


@contextlib.contextmanager
def serving(
    peer: Peer, port: int, options: argparse.Namespace, folder: Path
) -> Iterator[subprocess.Popen]:
    variables = {
        **os.environ,
        "SECONDS_ASLEEP": str(options.asleep),
        "JOBS": str(options.jobs),
        "BENTOML_DO_NOT_TRACK": "True",
    }
    with (folder / f"{port}.log").open("w") as log:
        process = subprocess.Popen(
            peer.command(str(options.asleep), options.jobs, str(port)),
            env=variables,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            os.killpg(process.pid, 15)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, 9)


def overheads(
    chosen: list[tuple[int, Peer]], photo: bytes, options: argparse.Namespace, folder: Path
) -> dict[str, dict[bool, float]]:
    """Milliseconds of a request besides the work on its photo, by server and whether the connection is kept: medians."""

    def ask(peer: Peer, kept: http.client.HTTPConnection, keeps: bool) -> float:
        # Nobody may answer it as one that is known.
        content, field = peer.send(another(photo))
        fields = dict([field.strip().split(": ", 1)])
        connection = kept
        if not keeps:
            connection = http.client.HTTPConnection(kept.host, kept.port)
            fields["Connection"] = "close"
        start = time.monotonic()
        connection.request("POST", peer.path, content, fields)
        response = connection.getresponse()
        answer = response.read()
        spent = time.monotonic() - start
        if not keeps:
            connection.close()
        assert response.status == 200, f"{peer.name}: {response.status}"
        header = {name.lower(): value for name, value in response.getheaders()}
        return (spent - at_work(header, answer)) * 1000

    with contextlib.ExitStack() as stack:
        connections = []
        for port, peer in chosen:
            process = stack.enter_context(serving(peer, port, options, folder))
            server = Server(f"http://127.0.0.1:{port}")
            asyncio.run(until_ready(server, peer, peer.send(photo), process))
            connections.append((peer, http.client.HTTPConnection("127.0.0.1", port)))
        times: dict[str, dict[bool, list[float]]] = {
            peer.name: {True: [], False: []} for peer, _ in connections
        }
        for round in range(options.rounds + 3):
            for peer, connection in random.sample(connections, len(connections)):
                for keeps in (False, True):
                    spent = ask(peer, connection, keeps)
                    # The first ones warm what they meet.
                    if round >= 3:
                        times[peer.name][keeps].append(spent)
    return {
        name: {keeps: statistics.median(spent) for keeps, spent in of_server.items()}
        for name, of_server in times.items()
    }


async def measure(
    peer: Peer,
    port: int,
    photo: bytes,
    asleep: float,
    jobs: int,
    seconds: float,
    process: subprocess.Popen,
    overhead: dict[bool, float],
) -> dict:
    server = Server(f"http://127.0.0.1:{port}")

    async def send(**how: float) -> tuple[int, float, dict[str, str]]:
        # Nobody may answer it as one that is known.
        content, fields = peer.send(another(photo))
        start = time.monotonic()
        status, header, _ = await server.ask("POST", peer.path, content, fields=fields, **how)
        return status, time.monotonic() - start, header

    await until_ready(server, peer, peer.send(photo), process)
    workers = peer.workers or jobs
    capacity = workers / asleep
    times: list[float] = []
    failures: list[int] = []
    probing = asyncio.create_task(probe(server, peer.health, times, failures))
    start = time.monotonic()
    clients = []
    while time.monotonic() < start + seconds:
        clients.append(asyncio.create_task(send(patience=PATIENCE)))
        await asyncio.sleep(random.expovariate(2 * capacity))
    answers = await asyncio.gather(*clients)
    span = time.monotonic() - start
    probing.cancel()
    good = [spent for status, spent, _ in answers if status == 200]
    refused = [(spent, header) for status, spent, header in answers if status in (429, 503)]

    await asyncio.sleep(PATIENCE)
    await asyncio.gather(*(send(leave_after=0.1) for _ in range(HANGUPS)))
    start = time.monotonic()
    while (await send())[0] != 200:
        await asyncio.sleep(0.01)
    after = time.monotonic() - start
    return {
        "server": peer.name,
        "overhead ms": round(overhead[True], 2),
        "a connection each": round(overhead[False], 2),
        "answered": f"{len(good)} of {len(answers)}",
        "goodput": round(len(good) / span / capacity, 3),
        "p99_s": percentile(good, 0.99),
        "refused": len(refused),
        "with Retry-After": sum("retry-after" in header for _, header in refused),
        "slowest refusal ms": round(max((spent for spent, _ in refused), default=0) * 1000),
        "probes failed": f"{len(failures)} of {len(failures) + len(times)}",
        "probe p99 ms": round((percentile(times, 0.99) or 0) * 1000),
        "after hang-ups, of a photo's time": round(after / asleep, 2),
    }


def environment(folder: Path) -> str:
    """Makes, once, an environment with the others' libraries."""
    python = folder / "venv" / "bin" / "python"
    if not python.exists():
        venv.create(folder / "venv", with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *REQUIREMENTS], check=True)
    return str(python)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--bench",
        default=str(ROOT / ".build/release/m2fp-bench"),
        help="the program m2fp-bench, built with the server",
    )
    parser.add_argument("--only", help="names of servers, separated by commas")
    parser.add_argument("--asleep", type=float, default=0.2, help="seconds that the model sleeps")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=50, help="requests that tell the overhead")
    parser.add_argument("--seconds", type=float, default=15, help="how long the overload lasts")
    parser.add_argument("--prepare", action="store_true", help="only make the environment")
    options = parser.parse_args()
    folder = ROOT / ".build" / "serve-bench"
    folder.mkdir(parents=True, exist_ok=True)
    python = environment(folder)
    if options.prepare:
        return 0
    photo = (ROOT / "Examples/grace-hopper.jpg").read_bytes()
    names = options.only.split(",") if options.only else None
    chosen = [
        (18600 + number, peer)
        for number, peer in enumerate(peers(python, options.bench))
        if names is None or peer.name in names
    ]
    if not chosen:
        sys.exit(f"no server is called {options.only}")
    overhead = overheads(chosen, photo, options, folder)
    rows = []
    for port, peer in chosen:
        with serving(peer, port, options, folder) as process:
            rows.append(
                asyncio.run(
                    measure(
                        peer,
                        port,
                        photo,
                        options.asleep,
                        options.jobs,
                        options.seconds,
                        process,
                        overhead[peer.name],
                    )
                )
            )
    print("| " + " | ".join(rows[0]) + " |\n|" + "---|" * len(rows[0]))
    for row in rows:
        print("| " + " | ".join(str(value) for value in row.values()) + " |")
    return 0
