"""Measure m2fp beside ModelScope's code, ONNX Runtime and OpenVINO, in one run.

All compute the same network: the official architecture with the seeded, fitted weights of
`parity`; the dense networks have seeded weights. ONNX Runtime and OpenVINO get our own export, with
folded BatchNorms and mask features that are resized once a level, which suits them better than
ModelScope's graph. Every figure is a median of runs that take turns, so that a machine that slows
down slows all of them.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from PIL import Image

from commands import export_dense, parity
from dense.networks import NETWORKS
from m2fp import archive, checkpoint
from m2fp.config import CONFIGS
from m2fp.contract import for_dataset
from m2fp.model import M2FP
from reference import report
from reference.modelscope import MARKER, install

ROOT = Path(__file__).resolve().parents[2]
PARTS = (
    "network", "throughput", "profile", "precision", "tiny", "int8", "dense", "folder", "busy",
    "growth", "stages", "startup",
)  # fmt: skip
# At the sizes of their published weights.
DENSE = ("segformer-b2", "schp-lip", "lite-hrnet-18-ocr")
PEERS = ("onnxruntime", "openvino")
# Environments with ModelScope's code, and whether they have PyPI's current torch or Debian's.
MODELSCOPES = {"modelscope": False, "modelscope-current": True}
# What needs them.
MODELSCOPE_PARTS = {"network", "throughput", "folder"}
PEER_REQUIREMENTS = ("onnxruntime", "openvino", "numpy")
# What the peers quantise with.
INT8_REQUIREMENTS = (*PEER_REQUIREMENTS, "nncf", "onnx", "pillow", "sympy")
INT8_SUFFIXES = {"onnxruntime": ".onnx", "openvino": ".xml"}
SIZE = 512
TINY = ROOT / "Models" / "archives" / "m2fp-tiny.pt"
TINY_SIZE = 448
BUSY_CPUS = 0.15
PROFILE_ROWS = 30


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parts", default=",".join(PARTS), help=f"default: {','.join(PARTS)}")
    parser.add_argument("--quick", action="store_true", help="fewer runs and photos: ten minutes")
    parser.add_argument(
        "--prepare", action="store_true", help="only make environments, models and photos"
    )
    parser.add_argument("--work", type=Path, default=ROOT / ".build" / "bench", help="what is kept")
    parser.add_argument("--binaries", type=Path, default=ROOT / ".build" / "release")
    parser.add_argument("--out", type=Path, default=ROOT / "Examples" / "benchmark")
    parser.add_argument("--busy", action="store_true", help="measure although CPUs are in use")
    return parser.parse_args()


class Worker:
    """A process that answers each line with a line."""

    def __init__(self, command: list, environment: dict | None = None):
        self.process = subprocess.Popen(
            [str(x) for x in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True, cwd=ROOT / "Models",
            env=os.environ | (environment or {}),
        )  # fmt: skip

    def ask(self, line: str = "") -> None:
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def processor_time(self) -> float:
        """Seconds of all its threads: CPUCLOCK_SCHED of another process (clock_getcpuclockid(3))."""
        return time.clock_gettime((~self.process.pid << 3) | 2)

    def answer(self) -> list[float]:
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"bench: {self.process.args} ended")
        return [float(x) for x in line.split()]

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()


class Bench:
    """Where things are, and how each contender is started."""

    def __init__(self, arguments: argparse.Namespace):
        self.work = arguments.work
        self.m2fp = arguments.binaries / "m2fp"
        self.m2fp_bench = arguments.binaries / "m2fp-bench"
        self.runs = 3 if arguments.quick else 5
        self.photo_count = 8 if arguments.quick else 50
        self.reference_photos = 3 if arguments.quick else 10
        self.growth_photos = 200 if arguments.quick else 1000
        self.checkpoint = self.work / "m2fp-r101.pth"
        self.archive = self.work / "m2fp-r101.pt"
        self.onnx = self.work / "m2fp-r101.onnx"
        self.tiny_onnx = self.work / "m2fp-tiny.onnx"
        self.photos = self.work / f"photos-{self.photo_count}"

    def prepare(self, parts: set[str]) -> None:
        """Everything for these parts that takes no measuring; what is there is kept."""
        self.work.mkdir(parents=True, exist_ok=True)
        self.make_environment("peers", PEER_REQUIREMENTS)
        if "int8" in parts:
            self.make_environment("int8", INT8_REQUIREMENTS)
        for name in DENSE if "dense" in parts else ():
            prepare_dense(name, self.dense_archive(name))
        if parts == {"dense"}:
            return
        for name, own_torch in MODELSCOPES.items() if parts & MODELSCOPE_PARTS else ():
            install(self.work / name, own_torch=own_torch)
        config = for_dataset(CONFIGS["m2fp-r101"], "cihp")
        if not self.checkpoint.exists():
            with tempfile.TemporaryDirectory() as folder:
                photos = parity.make_photos(Path(folder))
                parity.make_checkpoint(config, photos, self.checkpoint)
        if not self.archive.exists():
            export = [sys.executable, ROOT / "Models", "export", "--config", config.name]
            export += ["--checkpoint", self.checkpoint, "--licence", "MIT", "--out", self.archive]
            subprocess.run(export, check=True)
        if not self.onnx.exists():
            export_onnx(config, self.checkpoint, SIZE, self.onnx)
        if not self.tiny_onnx.exists():
            weights = self.tiny_onnx.with_suffix(".pth")
            recover = [sys.executable, ROOT / "Models", "recover", "--archive", TINY]
            subprocess.run([*recover, "--out", weights], check=True)
            export_onnx(CONFIGS[TINY.stem], weights, TINY_SIZE, self.tiny_onnx)
        if not self.photos.exists():
            make_photos(self.photos, self.photo_count)

    def make_environment(self, name: str, requirements: tuple[str, ...]) -> None:
        environment = self.work / name
        if (environment / MARKER).exists():
            return
        print(f"Installing {', '.join(requirements)} into a throw-away environment", flush=True)
        subprocess.run([sys.executable, "-m", "venv", environment], check=True)
        pip = [environment / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *requirements], check=True)
        (environment / MARKER).touch()

    def dense_archive(self, name: str) -> Path:
        """Where a dense network's archive is, with the same in ONNX beside it."""
        return self.work / f"{name}.pt"

    def ours(
        self, model: Path, width: int, height: int, threads: int, precision: str = "float32"
    ) -> Worker:
        return Worker([self.m2fp_bench, "network", precision, model, width, height, threads])

    def peer(self, kind: str, threads: int, file: Path | None = None, size: int = SIZE) -> Worker:
        is_modelscope = kind in MODELSCOPES
        environment = self.work / (kind if is_modelscope else "peers")
        file = file or (self.checkpoint if is_modelscope else self.onnx)
        worker = "modelscope" if is_modelscope else kind
        command = [environment / "bin" / "python", "-m", "reference.worker", worker, file]
        return Worker(
            [*command, size, size, threads],
            {"OMP_NUM_THREADS": str(threads), "MODELSCOPE_CACHE": str(environment / "cache")},
        )

    def contenders(self, threads: int) -> dict[str, Worker]:
        workers = self.rivals(self.archive, self.onnx, SIZE, threads)
        for kind in MODELSCOPES:
            workers[kind] = self.peer(kind, threads)
        return workers

    def rivals(self, archive: Path, onnx: Path, size: int, threads: int) -> dict[str, Worker]:
        """A network of ours, and the same in ONNX."""
        return {
            "m2fp": self.ours(archive, size, size, threads),
            "m2fp-int16": self.ours(archive, size, size, threads, "int16"),
            **{kind: self.peer(kind, threads, onnx, size) for kind in PEERS},
        }


@torch.no_grad()
def export_onnx(config, weights: Path, size: int, path: Path) -> None:
    """Our network in ONNX, opset 16, with folded BatchNorms, for one input size."""
    model = M2FP(config)
    checkpoint.load_strictly(model, checkpoint.read_state_dict(weights))
    archive.prepare(model, portable=True)
    save_onnx(model, size, ["class_logits", "mask_logits"], path)


@torch.no_grad()
def prepare_dense(name: str, path: Path) -> None:
    """A dense network with seeded weights: an archive, and the same in ONNX beside it."""
    onnx = path.with_suffix(".onnx")
    if path.exists() and onnx.exists():
        return
    labels = ROOT / "Sources" / "M2FPCommands" / "Remaps" / "lip.json"
    export = [sys.executable, ROOT / "Models", "export_dense", "--config", name, "--seed", "0"]
    export += ["--labels", labels, "--licence", "MIT", "--out", path]
    subprocess.run(export, check=True)
    torch.manual_seed(0)
    network = NETWORKS[name].make(len(export_dense.read_classes(labels)))
    save_onnx(network.eval(), NETWORKS[name].size, ["logits"], onnx)


def save_onnx(network: torch.nn.Module, size: int, outputs: list[str], path: Path) -> None:
    """A network for inputs of size × size, in ONNX, opset 16."""
    image = torch.zeros(1, 3, size, size)
    names = {"input_names": ["image"], "output_names": outputs}

    def unflatten(x, dim, sizes):  # ONNX has no such operator
        dim %= x.dim()
        return x.reshape(*x.shape[:dim], *sizes, *x.shape[dim + 1 :])

    resize = torch.nn.functional.interpolate

    def interpolate(x, size=None, **options):  # what follows would be of no known size
        return resize(x, size and [int(side) for side in size], **options)

    with (
        mock.patch.object(torch.Tensor, "unflatten", unflatten),
        mock.patch.object(torch.nn.functional, "interpolate", interpolate),
    ):
        torch.onnx.export(network, image, str(path), opset_version=16, **names)


def make_photos(folder: Path, count: int) -> None:
    """JPEGs of 0.3 to 12 megapixels, upright and lying, with one to three example portraits."""
    with tempfile.TemporaryDirectory() as name:
        portraits = [Image.open(x).convert("RGB") for x in parity.make_photos(Path(name))]
    temporary = folder.with_suffix(".tmp")
    temporary.mkdir(exist_ok=True)
    generator = np.random.default_rng(0)
    for index in range(count):
        megapixels = np.geomspace(0.3, 12, count)[index]
        ratio = generator.choice([3 / 4, 2 / 3, 4 / 3, 3 / 2, 1])
        width = round((megapixels * 1e6 * ratio) ** 0.5)
        height = round((megapixels * 1e6 / ratio) ** 0.5)
        photo = Image.new("RGB", (width, height), tuple(generator.integers(40, 200, 3).tolist()))
        people = 1 + index % 3
        for place in range(people):
            portrait = portraits[generator.integers(len(portraits))]
            size = (round(width / people), round(height * generator.uniform(0.6, 1)))
            corner = (place * width // people, height - size[1])
            photo.paste(portrait.resize(size, Image.BICUBIC), corner)
        photo.save(temporary / f"{index:02}.jpg", quality=92)
    temporary.rename(folder)


def check_idle(allow_busy: bool) -> float:
    """CPUs in use by others over a second; exits if they would spoil the measurement."""

    def spent() -> int:
        user, nice, system = map(int, Path("/proc/stat").read_text().split("\n")[0].split()[1:4])
        return user + nice + system

    start = spent()
    time.sleep(1)
    busy = (spent() - start) / os.sysconf("SC_CLK_TCK")
    if busy > BUSY_CPUS and not allow_busy:
        sys.exit(f"bench: others use {busy:.2f} CPUs; stop them, or give --busy to measure anyway")
    return busy


def kernel_peak() -> float:
    """What one core reaches on plain kernels, in GFLOP/s.

    In a process of its own: OpenBLAS takes its number of threads from the environment.
    """
    code = "import bench; print(bench.measure_kernels())"
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return float(
        subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, text=True,
            cwd=ROOT / "Models", env=environment,
        ).stdout
    )  # fmt: skip


def measure_kernels() -> float:
    """The better of a matrix product and a convolution, in GFLOP/s."""
    a = torch.randn(1024, 1024)
    x = torch.randn(1, 256, 64, 64).contiguous(memory_format=torch.channels_last)
    w = torch.randn(256, 256, 1, 1)
    kernels = (
        (lambda: a @ a, 2 * 1024**3),
        (lambda: torch.nn.functional.conv2d(x, w), 2 * 256 * 256 * 64 * 64),
    )
    best = 0.0
    with torch.no_grad():
        for kernel, operations in kernels:
            for _ in range(12):
                start = time.perf_counter()
                kernel()
                best = max(best, operations / (time.perf_counter() - start) / 1e9)
    return best


def take_turns(workers: dict[str, Worker], runs: int) -> dict[str, dict]:
    """Median seconds, of processor time as well, and peak memory of each, after a run that does not
    count."""
    seconds: dict[str, list[float]] = {name: [] for name in workers}
    processor: dict[str, list[float]] = {name: [] for name in workers}
    memory = {}
    for turn in range(runs + 1):
        for name, worker in workers.items():
            before = worker.processor_time()
            worker.ask()
            took, *_, peak = worker.answer()
            memory[name] = peak
            if turn:
                seconds[name].append(took)
                processor[name].append(worker.processor_time() - before)
    for worker in workers.values():
        worker.close()
    return {
        name: {
            "seconds": statistics.median(seconds[name]),
            "processor": statistics.median(processor[name]),
            "memory": memory[name],
        }
        for name in workers
    }


def measure_network(bench: Bench) -> dict:
    result = {"peak": kernel_peak()}
    for threads in (1, 2):
        result[str(threads)] = take_turns(bench.contenders(threads), bench.runs)
    return result


def measure_dense(bench: Bench) -> dict:
    """Dense networks on one thread, beside both peers."""
    result = {}
    for name in DENSE:
        model, size = bench.dense_archive(name), NETWORKS[name].size
        workers = {"m2fp": bench.ours(model, size, size, 1)}
        for kind in PEERS:
            workers[kind] = bench.peer(kind, 1, model.with_suffix(".onnx"), size)
        result[name] = {"size": size, **take_turns(workers, bench.runs)}
    return result


def measure_throughput(
    contenders: Callable[[int], dict[str, Worker]], runs: int, alone: dict | None
) -> dict:
    """Images/s with both cores: two processes of one thread at once, or one of two threads."""
    result = {}
    pairs = [contenders(1), contenders(1)]
    times: dict[str, list[float]] = {name: [] for name in pairs[0]}
    for turn in range(max(2, runs // 2) + 1):
        for name in times:
            start = time.perf_counter()
            for pair in pairs:
                pair[name].ask()
            for pair in pairs:
                pair[name].answer()
            if turn:
                times[name].append(time.perf_counter() - start)
    for pair in pairs:
        for worker in pair.values():
            worker.close()
    for name, taken in times.items():
        result[name] = 2 / statistics.median(taken)
        if alone:
            result[name] = max(result[name], 1 / alone[name]["seconds"])
    return result


def parse_with_m2fp(bench: Bench, photos: Path, model: Path | str, *options: str) -> dict:
    """Runs `m2fp parse` on a folder; its own summary, and the seconds of each stage per photo."""
    with tempfile.TemporaryDirectory(dir=bench.work) as out:
        command = [bench.m2fp, "parse", photos, "--model", model, "--out", out, "--json", "--quiet"]
        done = subprocess.run(
            [str(x) for x in (*command, *options)], check=True, capture_output=True, text=True
        )
    lines = [json.loads(x) for x in done.stdout.splitlines()]
    summary = next(x["summary"] for x in lines if "summary" in x)
    files = [x for x in lines if x.get("status") == "parsed"]
    return {"summary": summary, "files": files}


def measure_folder(bench: Bench) -> dict:
    """The whole way from JPEGs to PNGs, and the postprocess within it."""
    result = {}
    photos = sorted(bench.photos.iterdir())
    # As many as ModelScope gets done in the time, of all sizes.
    few = photos[:: max(1, len(photos) // bench.reference_photos)]
    same = ("--max-side", "0", "--masks", "none")
    runs = {
        "m2fp, both cores": parse_with_m2fp(bench, bench.photos, bench.archive),
        "m2fp, one worker": parse_with_m2fp(
            bench, bench.photos, bench.archive, "--jobs", "1", "--threads", "1"
        ),
        "m2fp, both cores, ModelScope's input size": parse_with_m2fp(
            bench, bench.photos, bench.archive, *same
        ),
    }
    for name, run in runs.items():
        count, seconds = run["summary"]["parsed"], run["summary"]["seconds"]
        stages = {
            stage: sum(x["seconds"].get(stage, 0) for x in run["files"]) / count
            for stage in ("decode", "resize", "infer", "merge", "encode", "write")
        }
        result[name] = {
            "images": count, "seconds": seconds, "rate": count / seconds, "stages": stages,
            "memory": run["summary"].get("peak_memory", run["summary"].get("peakMemory", 0)),
        }  # fmt: skip
    worker = bench.peer("modelscope", os.cpu_count() or 1)
    seconds, inner, memory = 0.0, 0.0, 0.0
    with tempfile.TemporaryDirectory(dir=bench.work) as out:
        for photo in few:
            worker.ask(f"{photo}\t{out}/{photo.stem}.png")
            took, post, memory = worker.answer()
            seconds += took
            inner += post
    worker.close()
    result["ModelScope, both cores"] = {
        "images": len(few), "rate": len(few) / seconds, "memory": memory,
        "stages": {"merge": inner / len(few)},
    }  # fmt: skip
    return result


def measure_busy(bench: Bench) -> dict:
    """Images/s with both cores, alone and beside a process that keeps one core busy."""
    photos = sorted(bench.photos.iterdir())
    with tempfile.TemporaryDirectory(dir=bench.work) as name:
        few = Path(name)
        for photo in photos[:: max(1, len(photos) // 6)]:
            os.link(photo, few / photo.name)
        rates = {}
        for name, others in (("alone", 0), ("beside a busy process", 1)):
            spinners = [
                subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(others)
            ]
            try:
                summary = parse_with_m2fp(bench, few, bench.archive)["summary"]
            finally:
                for spinner in spinners:
                    spinner.kill()
                    spinner.wait()
            rates[name] = summary["parsed"] / summary["seconds"]
    return rates


def measure_growth(bench: Bench) -> dict:
    """Resident memory over many photos that are all of different sizes, one worker, m2fp-r101.

    With a small --max-side: the number of sizes is what makes caches grow.
    """
    with tempfile.TemporaryDirectory(dir=bench.work) as name:
        generator = np.random.default_rng(0)
        portrait = Image.open(ROOT / "Examples" / "grace-hopper.jpg").convert("RGB")
        (Path(name) / "photos").mkdir()
        for index in range(bench.growth_photos):
            size = tuple(generator.integers(64, 400, 2).tolist())
            portrait.resize(size).save(Path(name) / "photos" / f"{index:04}.jpg")
        command = [bench.m2fp, "parse", f"{name}/photos", "--model", bench.archive]
        command += ["--out", f"{name}/out", "--jobs", "1", "--threads", "1", "--masks", "none"]
        command += ["--max-side", "96", "--quiet", "--log-level", "debug", "--log-format", "json"]
        done = subprocess.run([str(x) for x in command], check=True, capture_output=True, text=True)
    lines = [json.loads(x) for x in done.stderr.splitlines() if x.startswith("{")]
    resident = [int(x["resident"]) for x in lines if "resident" in x]
    return {"photos": len(resident), "image 50": max(resident[:50]), "last": max(resident[50:])}


def measure_profile(bench: Bench) -> str:
    """Where the network's time goes on one thread: a Markdown table of what takes most, and all."""
    command = [bench.m2fp_bench, "profile", "float32", bench.archive, str(SIZE), str(SIZE)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    lines = done.stdout.splitlines(keepends=True)
    return "".join(lines[: 2 + PROFILE_ROWS] + lines[-1:])


def measure_precision(bench: Bench) -> dict:
    """How far the labels of int16 are those of float32, by model."""
    photos = sorted(bench.photos.iterdir())
    few = photos[:: max(1, len(photos) // 8)][:8]
    return {x.stem: compare_int16(bench, x, y) for x, y in ((bench.archive, few), (TINY, photos))}


def compare_int16(bench: Bench, model: Path, photos: list[Path]) -> dict:
    """The figures of `m2fp compare`, of int16 beside float32."""
    with tempfile.TemporaryDirectory(dir=bench.work) as folder:
        for precision in ("float32", "int16"):
            command = [bench.m2fp, "parse", *photos, "--model", model, "--masks", "none"]
            command += ["--quiet", "--precision", precision, "--out", f"{folder}/{precision}"]
            subprocess.run([str(x) for x in command], check=True)
        command = [bench.m2fp, "compare", f"{folder}/float32", f"{folder}/int16", "--json"]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    compared = json.loads(done.stdout)
    files = compared["files"]
    return {
        "photos": len(files),
        "agreement": compared["agreement"],
        "least": min(file["agreement"] for file in files),
        "mean_iou": statistics.mean(file["mean_iou"] for file in files),
    }


def measure_int8(bench: Bench) -> dict:
    """Both networks in float32 and in integers, ours of 16 bits and the peers' of 8, which half the
    photos calibrate: time, and the labels that the other half keeps."""
    result = {}
    networks = ((TINY, bench.tiny_onnx, TINY_SIZE), (bench.archive, bench.onnx, SIZE))
    for archive_, onnx, size in networks:
        run: dict = {"size": size, "agreement": {}}
        others = sorted(bench.photos.iterdir())[1::2]
        run["agreement"]["m2fp-int16"] = compare_int16(bench, archive_, others)
        quantised = {}
        for kind in PEERS:
            file = bench.work / f"{onnx.stem}-{kind}-int8{INT8_SUFFIXES[kind]}"
            command = [bench.work / "int8" / "bin" / "python", "-m", "reference.quantise", kind]
            command += [archive_, onnx, file, str(size), bench.photos]
            done = subprocess.run(
                command, check=True, capture_output=True, text=True, cwd=ROOT / "Models"
            )
            agreement, least = map(float, done.stdout.splitlines()[-1].split())
            run["agreement"][f"{kind}-int8"] = {"agreement": agreement, "least": least}
            quantised[f"{kind}-int8"] = (kind, file)
        for threads in (1, 2):
            workers = bench.rivals(archive_, onnx, size, threads)
            for name, (kind, file) in quantised.items():
                workers[name] = bench.peer(kind, threads, file, size)
            run[str(threads)] = take_turns(workers, bench.runs)
        result[archive_.stem] = run
    return result


def measure_stages(bench: Bench) -> str:
    """The stages round the network, one by one; a Markdown table."""
    done = subprocess.run([bench.m2fp_bench], check=True, capture_output=True, text=True)
    return done.stdout


def measure_startup(bench: Bench) -> dict:
    """Seconds from the command to its first result, on warm caches."""
    photo = ROOT / "Examples" / "grace-hopper.jpg"

    def command(*arguments) -> float:
        times = []
        for _ in range(bench.runs):
            with tempfile.TemporaryDirectory(dir=bench.work) as out:
                line = [str(x).replace("OUT", out) for x in (bench.m2fp, *arguments)]
                start = time.perf_counter()
                process = subprocess.Popen(
                    line, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
                )
                # `parse --json` prints it once the photo's outputs are written.
                process.stdout.readline()
                times.append(time.perf_counter() - start)
                process.communicate()
                if process.returncode:
                    raise SystemExit(f"bench: {line} failed")
        return statistics.median(times)

    parse = ("parse", photo, "--json", "--out", "OUT")
    return {
        "m2fp --version": command("--version"),
        "m2fp-tiny, one photo": command(*parse),
        "m2fp-r101, one photo": command(*parse, "--model", bench.archive),
    }


def measure_tiny(bench: Bench) -> dict:
    def rivals(threads: int) -> dict[str, Worker]:
        return bench.rivals(TINY, bench.tiny_onnx, TINY_SIZE, threads)

    # Runs are short.
    runs = 5 * bench.runs
    result: dict = {str(threads): take_turns(rivals(threads), runs) for threads in (1, 2)}
    result["throughput"] = measure_throughput(rivals, runs, result["2"])
    result["folder"] = parse_with_m2fp(bench, bench.photos, TINY)["summary"]
    return result


def main() -> int:
    arguments = parse_arguments()
    parts = arguments.parts.split(",")
    if unknown := set(parts) - set(PARTS):
        sys.exit(f"bench: no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    bench = Bench(arguments)
    bench.prepare(set(parts))
    if arguments.prepare:
        return 0
    for binary in (bench.m2fp, bench.m2fp_bench):
        if not binary.exists():
            sys.exit(f"bench: {binary} is missing; build it with 'swift build -c release'")
    results_file = arguments.out / "results.json"
    results = {}
    with contextlib.suppress(OSError, ValueError):
        # Parts that are not measured now keep their figures.
        results = json.loads(results_file.read_text())
    measures = {
        "network": measure_network,
        "throughput": lambda b: measure_throughput(
            b.contenders, b.runs, results.get("network", {}).get("2")
        ),
        "folder": measure_folder,
        "busy": measure_busy,
        "growth": measure_growth,
        "profile": measure_profile,
        "precision": measure_precision,
        "dense": measure_dense,
        "stages": measure_stages,
        "startup": measure_startup,
        "tiny": measure_tiny,
        "int8": measure_int8,
    }
    machine = {
        "cpu": report.cpu_name(), "cpus": os.cpu_count(), "date": time.strftime("%Y-%m-%d"),
        "quick": arguments.quick,
    }  # fmt: skip
    arguments.out.mkdir(parents=True, exist_ok=True)
    for part in (part for part in PARTS if part in parts):
        print(f"Measuring: {part}", flush=True)
        busy = round(check_idle(arguments.busy), 2)
        results.setdefault("machines", {})[part] = {**machine, "busy": busy}
        results[part] = measures[part](bench)
        # After each part: what was measured is kept though a later one may not start.
        results_file.write_text(json.dumps(results, indent=1) + "\n")
        report.write(results, arguments.out)
    print((arguments.out / "README.md").read_text())
    return 0
