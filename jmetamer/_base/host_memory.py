"""Memory of this machine that is free."""

import os
from pathlib import Path


def available_host_bytes(root: Path = Path("/")) -> int | None:
    """Return the bytes that the operating system, and the control group of the process, can give.

    A system that does not say what is free is asked for all that is built in.

    Args:
      root: of the file system; another one in tests.

    Returns:
      Bytes, or None where nothing says.

    Example:
      >>> free = available_host_bytes()
      >>> free is None or free > 0
      True
    """
    limits = []
    meminfo = _read(root / "proc/meminfo")
    for line in meminfo.splitlines():
        if line.startswith("MemAvailable:"):
            limits.append(1024 * int(line.split()[1]))
    group = root / "sys/fs/cgroup"
    for limit, usage in (
        (group / "memory.max", group / "memory.current"),
        (group / "memory/memory.limit_in_bytes", group / "memory/memory.usage_in_bytes"),
    ):
        if _read(limit).isdigit() and _read(usage).isdigit():
            limits.append(max(0, int(_read(limit)) - int(_read(usage))))
    if not limits and hasattr(os, "sysconf"):
        limits.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    return min(limits, default=None)


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
