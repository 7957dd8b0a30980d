# SPDX-License-Identifier: MIT
"""RouterOS's binary API as bytes: lengths, words, sentences, and the login
of routers older than 6.43."""

import hashlib

RESERVED = 0xF8     # first bytes from here on are control bytes


def encode_length(length):
    for limit, mark, size in ((0x80, 0, 1), (0x4000, 0x8000, 2),
                              (0x200000, 0xC00000, 3),
                              (0x10000000, 0xE0000000, 4)):
        if length < limit:
            return (length | mark).to_bytes(size, "big")
    return b"\xf0" + length.to_bytes(4, "big")


def length_size(first):
    """How many bytes a length takes, by its first one."""
    if first >= RESERVED:
        raise ValueError(f"reserved control byte {first:#x}")
    for limit, size in ((0x80, 1), (0xC0, 2), (0xE0, 3), (0xF0, 4)):
        if first < limit:
            return size
    return 5


def decode_length(data):
    size = length_size(data[0])
    value = int.from_bytes(data[:size], "big")
    marks = {1: 0, 2: 0x8000, 3: 0xC00000, 4: 0xE0000000, 5: 0xF0 << 32}
    return value - marks[size]


def encode(words):
    """One sentence; a word is str or bytes."""
    data = b""
    for word in words:
        raw = word.encode() if isinstance(word, str) else word
        data += encode_length(len(raw)) + raw
    return data + b"\0"


async def read_length(reader):
    first = await reader.readexactly(1)
    return decode_length(
        first + await reader.readexactly(length_size(first[0]) - 1))


async def read_sentence(reader, limit=1 << 20):
    """The words of the next sentence as text."""
    words = []
    while True:
        length = await read_length(reader)
        if length == 0:
            return words
        if length > limit:
            raise ValueError(f"a word of {length} bytes")
        raw = await reader.readexactly(length)
        words.append(raw.decode("utf-8", "surrogateescape"))


def challenge_response(challenge, password):
    """What answers a challenge, 32 hexadecimal digits."""
    digest = hashlib.md5(b"\0" + password.encode() + bytes.fromhex(challenge))
    return "00" + digest.hexdigest()


def attributes(words):
    """({name: value}, [query, …], tag or None) of a command's words."""
    values, queries, tag = {}, [], None
    for word in words:
        if word.startswith("="):
            name, _, value = word[1:].partition("=")
            values[name] = value
        elif word.startswith("?"):
            queries.append(word[1:])
        elif word.startswith(".tag="):
            tag = word[5:]
    return values, queries, tag
