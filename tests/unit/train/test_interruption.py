"""Ctrl-C between steps."""

import os
import signal
from threading import Thread

import pytest

from embbert.train.interruption import whole_steps


def press():
    os.kill(os.getpid(), signal.SIGINT)


def test_the_first_only_asks_and_the_second_interrupts():
    with whole_steps() as interruption:
        assert not interruption.asked
        press()
        assert interruption.asked
        with pytest.raises(KeyboardInterrupt):
            press()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    with pytest.raises(KeyboardInterrupt):
        press()


def test_the_handler_is_put_back_after_an_error():
    def fail():
        with whole_steps():
            raise ValueError

    with pytest.raises(ValueError, match=r"^$"):
        fail()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("handler", [signal.SIG_IGN, lambda number, frame: None])
def test_where_ctrl_c_means_something_else_it_goes_on_to(handler):
    before = signal.signal(signal.SIGINT, handler)
    try:
        with whole_steps() as interruption:
            press()
            assert not interruption.asked
            assert signal.getsignal(signal.SIGINT) is handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_another_thread_may_train_too():
    seen = []

    def train():
        with whole_steps() as interruption:
            seen.append(interruption.asked)

    thread = Thread(target=train)
    thread.start()
    thread.join()
    assert seen == [False]
