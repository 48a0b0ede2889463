"""Where the figures come from: the machine, and a process of its own for each of them."""

import concurrent.futures
import multiprocessing
import os
import platform
import shlex
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax

import jmetamer as jm
from jmetamer._base.provenance import provenance, version_of

FORMAT_VERSION = 1


def described() -> dict[str, Any]:
    """Return command, versions, revision, device and host as JSON-able values."""
    found = provenance()
    others = {name: version_of(name) for name in ("torch", "torch_geometric")}
    return {
        "format_version": FORMAT_VERSION,
        "command": shlex.join(["python", *sys.argv]),
        "backend": jax.default_backend(),
        "host": host(),
        "provenance": found | {"versions": found["versions"] | others},
    }


def host() -> dict[str, Any]:
    """Return what is known of the machine without starting an accelerator."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_bytes": memory_bytes(),
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
    }


def memory_bytes(available: bool = False) -> int | None:
    """Return the main memory in bytes, or what is free of it; None where it is not known."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    name = "MemAvailable" if available else "MemTotal"
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith(name)), None)


def seconds_of_others() -> float | None:
    """Return the processor seconds that other programs have used since the system started.

    The difference of two calls says how much they disturbed what ran between; None where the
    system does not say.
    """
    try:
        fields = Path("/proc/stat").read_text().splitlines()[0].split()[1:9]
    except OSError:
        return None
    user, nice, system, _idle, _waiting, *interrupts = (int(field) for field in fields)
    busy = (user + nice + system + sum(interrupts)) / os.sysconf("SC_CLK_TCK")
    return busy - time.process_time()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":")[1].strip() for line in lines if "model name" in line), "")


def trained_model(dataset: str, model: str) -> tuple[jm.TrainedModel, jm.Dataset]:
    """Return the dataset and a network trained on it with the default settings and seed 0.

    The network is kept in a folder for temporary files for the other processes of one run.
    """
    data = jm.load_dataset(dataset)
    folder = os.environ.get("JMETAMER_BENCHMARK_MODELS")
    path = Path(folder) / f"{data.name}-{model}" if folder else None
    if path is not None and path.exists():
        return jm.load_model(path), data
    trained = jm.train(jm.MODELS[model](), data, seed=0)
    if path is not None:
        jm.save_model(trained, path)
    return trained, data


class Workplace:
    """Calls functions here, or each in a process of its own.

    A process of its own starts from nothing, so its peak of memory and its compile seconds are
    those of one entry alone.

    Args:
      isolated: use processes.
    """

    def __init__(self, isolated: bool) -> None:
        self.isolated = isolated

    def __enter__(self) -> "Workplace":
        self._folder = tempfile.TemporaryDirectory(prefix="jmetamer-benchmark-")
        os.environ["JMETAMER_BENCHMARK_MODELS"] = self._folder.name
        return self

    def __exit__(self, *_: object) -> None:
        del os.environ["JMETAMER_BENCHMARK_MODELS"]
        self._folder.cleanup()

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Return `function(*arguments)`."""
        if not self.isolated:
            return function(*arguments)
        fresh = multiprocessing.get_context("spawn")
        with concurrent.futures.ProcessPoolExecutor(1, mp_context=fresh) as pool:
            return pool.submit(function, *arguments).result()
