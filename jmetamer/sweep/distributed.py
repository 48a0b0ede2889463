"""Several processes, on one host or on many, that share the cells of one sweep.

Metamers are independent, so the processes need to know who takes part and nothing else. They meet
once through `jax.distributed`, in a child process each, and part again at once: processes that
stay connected are all ended by JAX when one of them dies. From then on each works with the
devices of its own host, and the run folder, which all must share, says who computes which cell.
What a process that dies leaves undone is computed by the others.
"""

import contextlib
import dataclasses
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import jax

from jmetamer._base.errors import InputError, JmetamerError, StoreError
from jmetamer.results import RunStore

_T = TypeVar("_T")
_POLL_SECONDS = 0.2
# JAX ends the process without a word for the user when its own patience is over.
_PATIENCE_OF_JAX = 60
_LARGEST_PORT = 65535
_ALL_THREE = "--coordinator HOST:PORT, --num-processes N and --process-id I"


class MeetingError(JmetamerError, RuntimeError):
    """Processes that did not find each other, or lost the first of them."""


@dataclasses.dataclass(frozen=True)
class Meeting:
    """Where the processes of a sweep meet.

    Attributes:
      coordinator: "host:port" of process 0, the same in all processes; None asks the cluster.
      num_processes: how many processes take part; None asks the cluster.
      process_id: which of them this is, from 0; None asks the cluster.
      timeout: seconds after which a process stops waiting for the others.

    Raises:
      InputError: settings that do not belong together or make no sense.

    Example:
      >>> Meeting("10.0.0.1:8476", num_processes=2, process_id=1).timeout
      300
    """

    coordinator: str | None = None
    num_processes: int | None = None
    process_id: int | None = None
    timeout: int = 300

    def __post_init__(self) -> None:
        place = self.num_processes, self.process_id
        if (place[0] is None) != (place[1] is None) or (
            place != (None, None) and self.coordinator is None
        ):
            raise InputError(
                f"--distributed got {self._stated()}; give all of {_ALL_THREE}, or none of them "
                "where a cluster says who takes part (SLURM, TPU pods, Open MPI, Kubernetes)"
            )
        if self.coordinator is not None:
            host, _, port = self.coordinator.rpartition(":")
            if not host or not port.isdecimal() or not 0 < int(port) <= _LARGEST_PORT:
                raise InputError(
                    f"--coordinator got {self.coordinator!r}; allowed is HOST:PORT with a port "
                    f"from 1 to {_LARGEST_PORT}, as in 10.0.0.1:8476"
                )
        if self.num_processes is not None and self.process_id is not None:
            if self.num_processes < 1:
                raise InputError(f"--num-processes is {self.num_processes}; it must be at least 1")
            if not 0 <= self.process_id < self.num_processes:
                raise InputError(
                    f"--process-id is {self.process_id}; allowed are 0 to "
                    f"{self.num_processes - 1}, because --num-processes is {self.num_processes}"
                )
        if self.timeout < 1:
            raise InputError(f"--distributed-timeout is {self.timeout}; it must be at least 1 s")

    def _stated(self) -> str:
        names = ("coordinator", "num_processes", "process_id")
        values = {name: getattr(self, name) for name in names}
        stated = [
            f"--{name.replace('_', '-')} {value}"
            for name, value in values.items()
            if value is not None
        ]
        return " and ".join(stated)


def meeting_of(
    distributed: bool,
    coordinator: str | None,
    num_processes: int | None,
    process_id: int | None,
    timeout: int | None,
) -> Meeting | None:
    """Return the meeting that options of the command line ask for, or None.

    Args:
      distributed: whether several processes take part.
      coordinator, num_processes, process_id, timeout: as in `Meeting`; None where not given.

    Raises:
      InputError: options that need --distributed, or that do not fit each other.

    Example:
      >>> meeting_of(False, None, None, None, None) is None
      True
    """
    settings = (coordinator, num_processes, process_id, timeout)
    if distributed:
        return Meeting(*settings[:3], *(() if timeout is None else (timeout,)))
    if any(value is not None for value in settings):
        raise InputError(
            "--coordinator, --num-processes, --process-id and --distributed-timeout say how "
            "processes meet; add --distributed, or leave them out"
        )
    return None


class Company:
    """The processes of a sweep, as one of them sees them.

    Args:
      store: the run folder that they share.
      index: which process this is, from 0.
      count: how many there are.

    Example:
      >>> Company(RunStore("runs/x"), index=1, count=3).in_turn(["a", "b", "c", "d"])
      ['b', 'c', 'a', 'd']
    """

    def __init__(self, store: RunStore, index: int = 0, count: int = 1) -> None:
        self.store, self.index, self.count = store, index, count

    def in_turn(self, cells: Sequence[_T]) -> list[_T]:
        """Return all cells, those first that no other process begins with.

        Args:
          cells: the cells of the sweep, in the same order in every process.
        """
        places = sorted(range(len(cells)), key=lambda place: (place - self.index) % self.count)
        return [cells[place] for place in places]

    def ended_early(self) -> list[int]:
        """Return the other processes that died before their work was done."""
        others = (other for other in range(self.count) if other != self.index)
        return [other for other in others if not self._ended(other) and not self._lives(other)]

    def await_first(self, timeout: float) -> None:
        """Wait until process 0 has written the summary.

        Args:
          timeout: seconds to wait.

        Raises:
          MeetingError: it died, or took longer.
        """
        deadline = time.monotonic() + timeout
        while not self._ended(0):
            if time.monotonic() > deadline:
                raise MeetingError(f"process 0 has not written the summary within {timeout:g} s")
            if not self._lives(0) and not self._ended(0):
                raise MeetingError("process 0 ended before it had written the summary")
            time.sleep(_POLL_SECONDS)

    @contextlib.contextmanager
    def present(self, meet: Callable[[], None]) -> Iterator[None]:
        """Be seen by the others while the context is open.

        Args:
          meet: returns when all processes have called it.

        Raises:
          StoreError: the others are not seen, so the run folder is not shared.
        """
        with self.store.lock(self._name(self.index)) as acquired:
            if not acquired:
                raise StoreError(
                    f"a process {self.index} of {self.count} works on `{self.store.folder}` "
                    "already; give every process its own --process-id"
                )
            for mark in (self._mark(self.index), self._met(self.index)):
                mark.unlink(missing_ok=True)
            meet()
            # One that has seen the others may have died since; its mark says that it was here.
            unseen = [other for other in self.ended_early() if not self._met(other).exists()]
            if unseen:
                raise StoreError(
                    f"process {self.index} does not see {_processes(unseen)} in "
                    f"`{self.store.folder}`; the processes of a sweep must share one run folder "
                    "with file locks: choose such a file system with --out, or run every part on "
                    "its own with --shard I/N and leave out --distributed"
                )
            self._met(self.index).touch()
            yield
            self._mark(self.index).touch()

    def _name(self, index: int) -> str:
        return f"process-{index}-of-{self.count}"

    def _mark(self, index: int) -> Any:
        return self.store.folder / "locks" / f"{self._name(index)}.ended"

    def _met(self, index: int) -> Any:
        return self.store.folder / "locks" / f"{self._name(index)}.met"

    def _ended(self, index: int) -> bool:
        return bool(self._mark(index).exists())

    def _lives(self, index: int) -> bool:
        with self.store.lock(self._name(index)) as free:
            return not free


@contextlib.contextmanager
def join(
    meeting: Meeting | None, store: RunStore, prepare: Callable[[], None]
) -> Iterator[Company]:
    """Meet the other processes of a sweep; comes before anything that starts a device.

    Args:
      meeting: where; None for a process that is alone.
      store: the run folder.
      prepare: called in process 0 before any process goes on.

    Yields:
      The company, this process included.

    Raises:
      InputError: no cluster was found around this process.
      MeetingError: the others could not be reached.
      StoreError: the run folder is not shared.
    """
    if meeting is None:
        prepare()
        yield Company(store)
        return
    with contextlib.ExitStack() as stack:
        with _Messenger(meeting) as messenger:
            introduction = messenger.introduction()
            company = Company(store, introduction["index"], introduction["count"])
            if company.index == 0:
                prepare()
            stack.enter_context(company.present(messenger.part))
        if introduction["visible"] != "all":  # the cluster's share, where processes share a host
            for kind in ("cuda", "rocm"):
                jax.config.update(f"jax_{kind}_visible_devices", introduction["visible"])
        yield company


class _Messenger:
    """The child process that meets the others; what happens to it there leaves this one whole."""

    def __init__(self, meeting: Meeting) -> None:
        self.meeting = meeting
        patience = meeting.timeout + _PATIENCE_OF_JAX
        settings = {
            "coordinator_address": meeting.coordinator,
            "num_processes": meeting.num_processes,
            "process_id": meeting.process_id,
            "initialization_timeout": patience,
            "heartbeat_timeout_seconds": patience,
            "shutdown_timeout_seconds": patience,
        }
        self._command = [sys.executable, "-m", "jmetamer._base.rendezvous", json.dumps(settings)]
        self._late = False

    def __enter__(self) -> "_Messenger":
        self._child = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # the stack of a C++ abort says nothing to the user
            text=True,
            env={**os.environ, "JAX_PLATFORMS": "cpu"},  # it must not take the accelerator
        )
        self._timer = threading.Timer(self.meeting.timeout, self._stop)
        self._timer.daemon = True
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        self._child.kill()
        self._child.communicate()

    def introduction(self) -> dict[str, Any]:
        """Return index, count and visible accelerators of this process."""
        assert self._child.stdout is not None
        # Libraries may print lines of their own before.
        for line in self._child.stdout:
            if line.startswith("{"):
                message: dict[str, Any] = json.loads(line)
                break
        else:
            raise self._lost()
        if "alone" in message:
            raise InputError(
                f"--distributed found no cluster around this process (JAX: {message['alone']}); "
                "start it as a SLURM job step, on a TPU pod, with Open MPI or on Kubernetes, or "
                f"give all of {_ALL_THREE} in every process"
            )
        if "failed" in message:
            raise MeetingError(
                f"the processes could not meet at {self._where()}: {message['failed']}; choose "
                "another port with --coordinator, and check that process 0 runs there and that no "
                "firewall is between"
            )
        return message

    def part(self) -> None:
        """Wait until all the others have come so far, then leave the meeting."""
        assert self._child.stdin is not None
        with contextlib.suppress(OSError):  # a child that has died is noticed by its exit code
            self._child.stdin.write("\n")
            self._child.stdin.flush()
        if self._child.wait() != 0:
            raise self._lost()

    def _stop(self) -> None:
        self._late = True
        self._child.kill()

    def _lost(self) -> MeetingError:
        if self._late:
            return MeetingError(
                f"the processes did not all meet at {self._where()} within "
                f"{self.meeting.timeout} s (--distributed-timeout); check that every process was "
                "started, that process 0 is reachable there and that no firewall is between"
            )
        return MeetingError(
            f"the processes could not meet at {self._where()}: another one ended, or the port of "
            "process 0 is taken; look at the messages of the others, or choose another port with "
            "--coordinator"
        )

    def _where(self) -> str:
        return self.meeting.coordinator or "the coordinator that the cluster names"


def _processes(indices: Sequence[int]) -> str:
    return f"process{'es' * (len(indices) > 1)} {', '.join(map(str, indices))}"
