"""C sources beside Python modules: compiled with `cc` on first use, kept in a cache directory."""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import platform
import subprocess
from pathlib import Path

FLAGS = ("-O3", "-march=native", "-ffast-math", "-shared", "-fPIC")


def cache_directory() -> Path:
    """Where assets and compiled code live: `$XDG_CACHE_HOME/m2fp-synthetic`, by default under
    `~/.cache`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "m2fp-synthetic"


@functools.cache
def library(source: Path) -> ctypes.CDLL:
    """The compiled `source`. Raises `RuntimeError` with the compiler's message when it does not
    compile."""
    key = hashlib.sha256(
        source.read_bytes()
        + " ".join(FLAGS).encode()
        + platform.processor().encode()
        + Path("/proc/cpuinfo").read_bytes().split(b"\n\n")[0].split(b"flags")[-1]
    ).hexdigest()[:16]
    path = cache_directory() / f"{source.stem}-{key}.so"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}.part")
        done = subprocess.run(
            [os.environ.get("CC", "cc"), *FLAGS, str(source), "-o", str(part), "-lm"],
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise RuntimeError(f"cannot compile {source.name}: {done.stderr}")
        part.replace(path)
    return ctypes.CDLL(str(path))
