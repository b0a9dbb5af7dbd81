"""Reads an archive of events: files, folders and S3 prefixes, gzipped or plain.

A file holds one event a line, as Segment's and RudderStack's archives do, or an array of events, or objects such as
{"batch": [...]}. Memory doesn't grow with a file: it is read piece by piece.
"""

import gzip
import io
import json
from pathlib import Path
from urllib.parse import urlsplit

GZIP = b"\x1f\x8b"
PIECE_BYTES = 1 << 20
# One JSON value may take this much. Segment's own events have 32 KB at most, batches 500 KB.
MOST_CHARACTERS = 16 << 20
# What is shown of something broken.
SHOWN = 1000
# `false`, or an escape such as \\ud83d, may be cut off at the end of a piece.
LONGEST_TOKEN = 8
DECODER = json.JSONDecoder()


class Broken(Exception):
    """Something in a file that isn't an event; its text says why."""


class File:
    """One file of the archive: `name` for people, `version` that changes when its content does."""

    def __init__(self, name, version, size, opened):
        self.name = name
        self.version = version
        self.size = size
        self._opened = opened

    def events(self, broken):
        """Yields (line, event) for each event. `broken(line, text, why)` is told of what can't be read."""
        with self._opened() as raw:
            buffered = io.BufferedReader(raw, PIECE_BYTES)
            try:
                content = gzip.GzipFile(fileobj=buffered) if buffered.peek(2)[:2] == GZIP else buffered
                yield from values_of(io.TextIOWrapper(content, "utf-8-sig", "replace"), broken)
            except (OSError, EOFError) as error:  # A damaged gzip file raises both.
                broken(None, "", f"the file can't be read any further: {error}")


def files(sources, s3):
    """The files of all sources, in the order of their names. `s3()` gives a boto3 client when one is needed.

    Raises FileNotFoundError for a source that isn't there.
    """
    for source in sources:
        found = list(objects(source, s3()) if source.startswith("s3://") else files_of(Path(source)))
        if not found:
            raise FileNotFoundError(f"{source}: there is no such file, folder or prefix, or it is empty")
        yield from found


def files_of(path):
    """A file itself, or all files below a folder."""
    for each in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if each.is_file() and not each.name.startswith("."):
            status = each.stat()
            version = f"{status.st_size}-{status.st_mtime_ns}"
            yield File(str(each), version, status.st_size, lambda each=each: each.open("rb", buffering=0))


def objects(source, s3):
    """The objects below an S3 prefix."""
    place = urlsplit(source)
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=place.netloc, Prefix=place.path.lstrip("/"))
    for page in pages:
        for each in page.get("Contents", []):
            if each["Size"]:
                def opened(key=each["Key"]):
                    return Body(s3.get_object(Bucket=place.netloc, Key=key)["Body"])

                yield File(f"s3://{place.netloc}/{each['Key']}", each["ETag"], each["Size"], opened)


class Body(io.RawIOBase):
    """An S3 object's body as a raw stream, which the standard library can buffer."""

    def __init__(self, body):
        self._body = body

    def readable(self):
        return True

    def readinto(self, buffer):
        piece = self._body.read(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)

    def close(self):
        self._body.close()
        super().close()


def values_of(text, broken):
    """Yields (line, event) of an opened text file."""
    reader = Values(text)
    first = reader.peek()
    if first == "[":
        reader.skip(1)
        yield from of_array(reader, broken)
    elif first:
        yield from of_lines(reader, broken)


def of_lines(reader, broken):
    """One value a line; a value may also go on over several lines, as pretty-printed JSON does."""
    while reader.peek():
        line = reader.line
        try:
            value = reader.take_line_or_value()
        except Broken as error:
            broken(line, error.args[1], error.args[0])
            continue
        yield from events_in(value, line, broken)


def of_array(reader, broken):
    """The elements of an array. After a broken one there is no telling where the next begins."""
    while (first := reader.peek()) != "]":
        line = reader.line
        try:
            if first == ",":
                reader.skip(1)
                continue
            if not first:
                raise Broken("the array has no end", "")
            value = reader.take_value()
        except Broken as error:
            broken(line, error.args[1], f"{error.args[0]}; the rest of the file is left out")
            return
        yield from events_in(value, line, broken)


def events_in(value, line, broken):
    """The events of one value: itself, or what stands in its `batch`."""
    batch = value.get("batch") if isinstance(value, dict) and "type" not in value else None
    shared = {key: value[key] for key in ("context", "integrations", "sentAt", "receivedAt") if key in value} \
        if isinstance(batch, list) else {}
    for each in batch if isinstance(batch, list) else [value]:
        if isinstance(each, dict) and isinstance(each.get("type"), str):
            yield line, under(each, shared)
        else:
            broken(line, json.dumps(each, ensure_ascii=False), "not an event: it has no type")


def under(event, shared):
    """An event with what its batch says of all events, under its own."""
    merged = {**shared, **event}
    for key in ("context", "integrations"):
        if isinstance(shared.get(key), dict) and isinstance(event.get(key), dict):
            merged[key] = {**shared[key], **event[key]}
    return merged


class Values:
    """JSON values out of a text stream. `line` is the line that comes next, from 1."""

    def __init__(self, text):
        self._text = text
        self._buffer = ""
        self._at = 0
        self._ended = False
        self.line = 1

    def peek(self):
        """The next character that is no white space; empty at the end."""
        while True:
            rest = self._buffer[self._at:self._at + 4096]
            blank = len(rest) - len(rest.lstrip())
            self.skip(blank)
            if blank < len(rest):
                return self._buffer[self._at]
            if self._at == len(self._buffer) and not self._fill():
                return ""

    def skip(self, characters):
        self.line += self._buffer.count("\n", self._at, self._at + characters)
        self._at += characters

    def take_line_or_value(self):
        """The value of this line; where the line alone is no JSON, the one that begins here."""
        text = self._line()
        try:
            value = json.loads(text)
        except RecursionError:
            self.skip(len(text))
            raise Broken("nested too deeply", text[:SHOWN]) from None
        except ValueError as error:
            # {"a":1}{"b":2} in one line, or an object that goes on in the next.
            if error.msg == "Extra data" or error.pos >= len(text.rstrip()):
                try:
                    return self.take_value()
                except Broken:
                    text = self._line()
            self.skip(len(text))
            raise Broken(f"not JSON: {error}", text[:SHOWN]) from None
        self.skip(len(text))
        return value

    def _line(self):
        end = self._buffer.find("\n", self._at)
        while end < 0 and len(self._buffer) - self._at < MOST_CHARACTERS and self._fill():
            end = self._buffer.find("\n", self._at)
        return self._buffer[self._at:end if end >= 0 else len(self._buffer)]

    def take_value(self):
        """The value that begins here."""
        while True:
            try:
                value, end = DECODER.raw_decode(self._buffer, self._at)
            except RecursionError:
                raise Broken("nested too deeply", "") from None
            except ValueError as error:
                is_cut_off = error.pos >= len(self._buffer) - LONGEST_TOKEN or error.msg.startswith("Unterminated")
                if is_cut_off and len(self._buffer) - self._at < MOST_CHARACTERS and self._fill():
                    continue
                raise Broken(f"not JSON: {error}", self._buffer[self._at:self._at + SHOWN]) from None
            self.skip(end - self._at)
            return value

    def _fill(self):
        """Reads on; false at the end. What was taken is forgotten, what is left is read on in doubling pieces."""
        if self._ended:
            return False
        rest = self._buffer[self._at:]
        piece = self._text.read(max(PIECE_BYTES, len(rest)))
        self._buffer, self._at = rest + piece, 0
        self._ended = not piece
        return bool(piece)
