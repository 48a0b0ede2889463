"""An interrupt that Python drops in a callback is raised again at the next look."""

import contextlib
import gc
import os
import signal

import pytest

from jmetamer._base.interrupts import interrupts_remembered, raise_if_interrupted


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
