"""Loads a running `m2fp serve` and tells how it bears it: `python3 Models serve_load URL PHOTO …`.

    --overload   twice as many photos as it can parse, from clients that come by chance; then those who were
                 sent away come once more, when they were told to
    --hangups    clients that leave, and the one that comes after them
    --repeat     one photo again and again: wants a server with a cache
    --soak N     N mixed requests, some bad, some of clients that leave or read slowly: memory, descriptors and
                 threads before and after (of the server's --pid), and whether its counters tell of every photo

It prints a JSON object; with --check it fails where that is not what the server promises. Nothing but Python is
needed.
"""

import argparse
import asyncio
import json
import random
import re
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit


class Server:
    """Requests on connections of their own, as raw as they have to be for clients that misbehave."""

    def __init__(self, url: str):
        parts = urlsplit(url)
        self.host, self.port = parts.hostname, parts.port

    async def ask(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        patience: float = 120,
        leave_after: float | None = None,
        slow: bool = False,
        fields: str = "",
    ) -> tuple[int, dict[str, str], bytes]:
        """Returns status, header and body; status 0 where the client left, or was left.

        It leaves so many seconds after it has sent all of it.
        """
        writer = None
        try:
            async with asyncio.timeout(patience) as limit:
                reader, writer = await asyncio.open_connection(self.host, self.port, limit=1 << 16)
                head = f"{method} {path} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\nContent-Length: {len(body)}\r\n{fields}Connection: close\r\n\r\n"
                writer.write(head.encode() + body)
                await writer.drain()
                if leave_after is not None:
                    limit.reschedule(asyncio.get_running_loop().time() + leave_after)
                lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                header = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
                if slow:
                    await asyncio.sleep(1)
                return int(lines[0].split()[1]), header, await reader.read()
        except (TimeoutError, OSError, asyncio.IncompleteReadError):
            return 0, {}, b""
        finally:
            if writer:
                writer.close()


def another(photo: bytes) -> bytes:
    """The same picture in other bytes: a JPEG with a comment of its own."""
    comment = f"{random.getrandbits(64):016x}".encode()
    return photo[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + photo[2:]


async def metric(server: Server, pattern: str) -> float:
    text = (await server.ask("GET", "/metrics"))[2].decode()
    return sum(float(line.split()[-1]) for line in text.splitlines() if re.match(pattern, line))


async def capacity(server: Server, photos: list[bytes], jobs: int, seconds: float) -> float:
    """Photos a second, with always one for each worker."""
    end = time.monotonic() + seconds
    done = 0

    async def client() -> None:
        nonlocal done
        while time.monotonic() < end:
            status, _, _ = await server.ask("POST", "/v1/parse", another(random.choice(photos)))
            done += status == 200

    start = time.monotonic()
    await asyncio.gather(*(client() for _ in range(jobs)))
    return done / (time.monotonic() - start)


def percentile(values: list[float], share: float) -> float | None:
    return (
        round(sorted(values)[min(len(values) - 1, int(share * len(values)))], 4) if values else None
    )


async def probe(server: Server, path: str, times: list[float], failures: list[int]) -> None:
    while True:
        start = time.monotonic()
        status, _, _ = await server.ask("GET", path, patience=5)
        if status == 200:
            times.append(time.monotonic() - start)
        else:
            failures.append(status)
        await asyncio.sleep(0.05)


async def overload(server: Server, photos: list[bytes], jobs: int, seconds: float) -> dict:
    rate = await capacity(server, photos, jobs, seconds / 3)
    times: list[float] = []
    failures: list[int] = []
    probing = asyncio.create_task(probe(server, "/livez", times, failures))
    answers: list[tuple[int, float]] = []
    refusals: list[tuple[float, int]] = []
    second: list[int] = []

    async def client() -> None:
        photo = another(random.choice(photos))
        start = time.monotonic()
        status, header, _ = await server.ask("POST", "/v1/parse", photo)
        answers.append((status, time.monotonic() - start))
        if status in (429, 503):
            wait = int(header.get("retry-after", "0"))
            refusals.append((time.monotonic() - start, wait))
            await asyncio.sleep(wait)
            # Only what comes after the crowd says something of the promise.
            if time.monotonic() > end:
                second.append((await server.ask("POST", "/v1/parse", photo))[0])

    start = time.monotonic()
    end = start + seconds
    clients = []
    while time.monotonic() < end:
        clients.append(asyncio.create_task(client()))
        await asyncio.sleep(random.expovariate(2 * rate))
    answered = sum(status == 200 for status, _ in answers)
    span = time.monotonic() - start
    await asyncio.gather(*clients)
    probing.cancel()
    accepted = [spent for status, spent in answers if status == 200]
    return {
        "capacity_per_second": round(rate, 3),
        "sent": len(answers),
        "goodput_of_capacity": round(answered / span / rate, 3),
        "accepted_p50_p99_seconds": [percentile(accepted, 0.5), percentile(accepted, 0.99)],
        "refused": len(refusals),
        "refused_without_retry_after": sum(wait < 1 for _, wait in refusals),
        "refusal_p50_max_seconds": [
            percentile([spent for spent, _ in refusals], share) for share in (0.5, 1)
        ],
        "retry_after_min_max": [
            min((w for _, w in refusals), default=None),
            max((w for _, w in refusals), default=None),
        ],
        "second_try_got_in": [sum(status == 200 for status in second), len(second)],
        "other_statuses": sorted({status for status, _ in answers} - {200, 429, 503}),
        "livez_p50_p99_seconds": [percentile(times, 0.5), percentile(times, 0.99)],
        "livez_failed_of": [len(failures), len(failures) + len(times)],
    }


async def hangups(server: Server, photos: list[bytes], jobs: int) -> dict:
    service = jobs / await capacity(server, photos, jobs, 10)
    parsed = r'm2fp_photos_total\{result="parsed"'
    cancelled = r"m2fp_cancelled_total"
    before = await metric(server, parsed), await metric(server, cancelled)
    computed = r"m2fp_stage_seconds_count\{stage=\"infer\""
    computed_before = await metric(server, computed)
    await asyncio.gather(
        *(
            server.ask("POST", "/v1/parse", another(photos[0]), leave_after=service / 2)
            for _ in range(14)
        )
    )
    start = time.monotonic()
    status, _, _ = await server.ask("POST", "/v1/parse", another(photos[0]))
    waited = time.monotonic() - start
    await asyncio.sleep(2 * service)
    return {
        "service_seconds": round(service, 3),
        "next_client": [status, round(waited, 3), round(waited / service, 2)],
        "computed_all_the_same": int(await metric(server, computed) - computed_before - 1),
        "answered": int(await metric(server, parsed) - before[0] - 1),
        "cancelled": int(await metric(server, cancelled) - before[1]),
    }


async def repeat(server: Server, photos: list[bytes]) -> dict:
    photo = another(photos[0])
    first = (await server.ask("POST", "/v1/parse", photo))[1].get("x-m2fp-cache")
    times = []
    hits = 0
    for _ in range(100):
        start = time.monotonic()
        status, header, _ = await server.ask("POST", "/v1/parse", photo)
        times.append(time.monotonic() - start)
        # Until the first is on disk its result is shared.
        hits += status == 200 and header.get("x-m2fp-cache") in ("hit", "joined")
    return {
        "first": first,
        "known_of_100": hits,
        "p50_p99_seconds": [percentile(times, 0.5), percentile(times, 0.99)],
    }


def process(pid: int) -> dict[str, int]:
    status = Path(f"/proc/{pid}/status").read_text()
    number = {
        key: int(re.search(rf"^{key}:\s+(\d+)", status, re.MULTILINE)[1])
        for key in ("VmRSS", "VmHWM", "Threads")
    }
    return {**number, "descriptors": len(list(Path(f"/proc/{pid}/fd").iterdir()))}


async def soak(server: Server, photos: list[bytes], count: int, jobs: int, pid: int) -> dict:
    counted = r"m2fp_photos_total"
    before = await metric(server, counted)
    statuses: dict[int, int] = {}
    sent = 0
    marks = {}

    async def client() -> None:
        nonlocal sent
        while sent < count:
            sent += 1
            if sent == max(1, count // 10):
                marks["at a tenth"] = process(pid)
            kind = random.random()
            photo = another(random.choice(photos))
            if kind < 0.03:
                status = (
                    await server.ask("POST", "/v1/parse", photo[: random.randrange(200, 2000)])
                )[0]
            elif kind < 0.06:
                status = (
                    await server.ask(
                        "POST", "/v1/parse", photo, leave_after=random.uniform(0.02, 0.5)
                    )
                )[0]
            elif kind < 0.07:
                status = (await server.ask("POST", "/v1/parse?output=zip", photo, slow=True))[0]
            else:
                output = random.choice(
                    ["map", "json", "zip", "multipart", "persons", "overlay&overlay=true"]
                )
                status = (
                    await server.ask("POST", f"/v1/parse?persons=true&output={output}", photo)
                )[0]
            statuses[status] = statuses.get(status, 0) + 1

    await asyncio.gather(*(client() for _ in range(3 * jobs)))
    await asyncio.sleep(5)
    marks["at the end"] = process(pid)
    return {
        "sent": sent,
        "counted": int(await metric(server, counted) - before),
        "statuses": statuses,
        **marks,
    }


async def run(options: argparse.Namespace) -> dict:
    server = Server(options.url)
    photos = [path.read_bytes() for path in options.photos]
    if not all(photo.startswith(b"\xff\xd8") for photo in photos):
        sys.exit("Photos for this are JPEGs: each is sent in many variants.")
    jobs = int(await metric(server, r"m2fp_workers[ {]"))
    report: dict = {"workers": jobs, "queue": int(await metric(server, r"m2fp_queue_limit[ {]"))}
    if options.overload:
        report["overload"] = await overload(server, photos, jobs, options.seconds)
    if options.hangups:
        report["hangups"] = await hangups(server, photos, jobs)
    if options.repeat:
        report["repeat"] = await repeat(server, photos)
    if options.soak:
        report["soak"] = await soak(server, photos, options.soak, jobs, options.pid)
    return report


def broken(report: dict) -> list[str]:
    """The promises that a report does not keep."""
    overload, hangups, repeat, soak = (
        report.get(part) for part in ("overload", "hangups", "repeat", "soak")
    )
    workers = report["workers"]
    promises: list[tuple[str, bool]] = []
    if overload:
        got_in, came_back = overload["second_try_got_in"]
        promises += [
            ("the goodput is 95 % of what it can do", overload["goodput_of_capacity"] >= 0.95),
            (
                "who is taken on waits no longer than the queue is long",
                overload["accepted_p50_p99_seconds"][1]
                <= 1.1
                * (report["queue"] / workers + 1)
                * workers
                / overload["capacity_per_second"],
            ),
            ("refusals take 50 ms at most", (overload["refusal_p50_max_seconds"][1] or 0) <= 0.05),
            ("refusals say when to come again", not overload["refused_without_retry_after"]),
            ("nine of ten get in when they were told to come", got_in >= 0.9 * came_back),
            ("there are no other answers", not overload["other_statuses"]),
            (
                "/livez answers within 100 ms",
                overload["livez_p50_p99_seconds"][1] <= 0.1 and not overload["livez_failed_of"][0],
            ),
        ]
    if hangups:
        promises += [
            (
                "of those who left only photos in hand are computed",
                hangups["computed_all_the_same"] <= workers,
            ),
            (
                "the next client waits 1.6 times a photo's time at most",
                hangups["next_client"][2] <= 1.6,
            ),
        ]
    if repeat:
        promises += [
            ("a photo that was seen is not parsed again", repeat["known_of_100"] == 100),
            ("within 20 ms", repeat["p50_p99_seconds"][0] <= 0.02),
        ]
    if soak:
        begin, end = soak["at a tenth"], soak["at the end"]
        promises += [
            ("every photo is counted", soak["counted"] == soak["sent"]),
            ("memory is flat", end["VmRSS"] <= 1.05 * begin["VmRSS"] + 8 * 1024),
            ("threads are", end["Threads"] <= begin["Threads"]),
            ("descriptors are", end["descriptors"] <= begin["descriptors"] + 3 * workers),
        ]
    return [promise for promise, is_kept in promises if not is_kept]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("url")
    parser.add_argument("photos", type=Path, nargs="+", help="JPEG files")
    parser.add_argument("--overload", action="store_true")
    parser.add_argument("--seconds", type=float, default=30, help="how long the overload lasts")
    parser.add_argument("--hangups", action="store_true")
    parser.add_argument("--repeat", action="store_true")
    parser.add_argument("--soak", type=int, metavar="N")
    parser.add_argument("--pid", type=int, help="the server's, for --soak")
    parser.add_argument("--check", action="store_true", help="fail where a promise is not kept")
    options = parser.parse_args()
    if options.soak and not options.pid:
        parser.error("--soak needs --pid")
    report = asyncio.run(run(options))
    print(json.dumps(report, indent=2))
    if not options.check:
        return 0
    failures = broken(report)
    for failure in failures:
        print(f"Broken: {failure}", file=sys.stderr)
    return 1 if failures else 0
