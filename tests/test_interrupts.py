"""An interrupt that Python drops in a callback is raised again at the next look."""

import contextlib
import gc
import os
import signal
import subprocess
import sys

import pytest

from jmetamer._base.interrupts import (
    interrupts_end_imports,
    interrupts_raise,
    interrupts_remembered,
    raise_if_interrupted,
)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_one_that_is_lost_in_a_callback_of_the_collector_comes_again():
    def interrupted(phase, info):
        if phase == "start":
            gc.callbacks.remove(interrupted)
            os.kill(os.getpid(), signal.SIGINT)
            sum(range(1000))  # the signal is handled between two instructions here

    with interrupts_remembered():
        raise_if_interrupted()
        gc.callbacks.append(interrupted)
        gc.collect()  # the exception is dropped
        with pytest.raises(KeyboardInterrupt):
            raise_if_interrupted()
    raise_if_interrupted()


def test_one_is_raised_where_it_arrives_and_the_handler_is_put_back():
    before = signal.getsignal(signal.SIGINT)
    went_on = False
    with contextlib.suppress(KeyboardInterrupt), interrupts_remembered():
        os.kill(os.getpid(), signal.SIGINT)
        went_on = sum(range(1000)) > 0
    assert not went_on
    assert signal.getsignal(signal.SIGINT) is before
    raise_if_interrupted()


@pytest.mark.parametrize("command", ["sweep", "report", "leaderboard"])
def test_one_while_a_command_is_imported_is_one_line(tmp_path, command):
    (tmp_path / "sitecustomize.py").write_text(
        "import os, signal, sys\n"
        # Tests may run in the background, where interrupts are ignored.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "class Interrupt:\n"
        "    def find_spec(self, name, *rest):\n"
        "        if name == 'numpy':\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Interrupt())\n"
    )
    paths = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    # The help of a sweep imports nothing that takes a second.
    argument = "no_such" if command == "sweep" else "--help"
    words = [sys.executable, "-m", f"jmetamer.{command}", argument]
    ended = subprocess.run(
        words, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (130, "\ninterrupted\n")


def test_one_is_raised_again_once_a_command_is_imported():
    before = signal.getsignal(signal.SIGINT)
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        interrupts_end_imports()
        assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler
        interrupts_raise()
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # as of a command in the background
        interrupts_end_imports()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
