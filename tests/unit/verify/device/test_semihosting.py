"""What a program asks of the host, and gets."""

import struct

from embbert.verify.device.semihosting import (
    EXIT,
    OPEN,
    READ,
    REPLIES,
    REQUESTS,
    WRITE,
    WRITE_TEXT,
    Semihosting,
)


class Memory:
    def __init__(self):
        self.bytes = bytearray(256)

    def read(self, address, size):
        return self.bytes[address : address + size]

    def write(self, address, data):
        self.bytes[address : address + len(data)] = data


def test_requests_are_read_piece_by_piece_to_their_end():
    memory = Memory()
    host = Semihosting(b"abcde", memory.read, memory.write)
    memory.write(0, struct.pack("<III", REQUESTS, 100, 3))
    assert [host.answer(READ, 0), bytes(memory.read(100, 4))] == [0, b"abc\0"]
    assert [host.answer(READ, 0), bytes(memory.read(100, 4))] == [1, b"dec\0"]
    assert host.answer(READ, 0) == 3


def test_replies_and_complaints_are_kept():
    memory = Memory()
    host = Semihosting(b"", memory.read, memory.write)
    memory.write(100, b"fault\0more")
    memory.write(0, struct.pack("<III", REPLIES, 100, 4))
    assert [host.answer(WRITE, 0), host.answer(WRITE, 0), host.answer(WRITE_TEXT, 100)] == [0, 0, 0]
    assert (bytes(host.replies), host.said, host.code) == (b"faulfaul", "fault", None)


def test_files_have_names_and_the_end_a_code():
    memory = Memory()
    host = Semihosting(b"", memory.read, memory.write)
    memory.write(100, b"requests\0replies\0")
    memory.write(0, struct.pack("<III", 100, 1, 8))
    memory.write(12, struct.pack("<III", 109, 5, 7))
    assert [host.answer(OPEN, 0), host.answer(OPEN, 12)] == [REQUESTS, REPLIES]
    memory.write(0, struct.pack("<III", 0x20026, 6, 0))
    host.answer(EXIT, 0)
    assert host.code == 6


def test_an_unknown_operation_ends_the_run():
    host = Semihosting(b"", Memory().read, Memory().write)
    host.answer(0x99, 0)
    assert host.code == -1
