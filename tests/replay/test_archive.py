"""Reading archives: every layout, and nothing broken is fatal."""

import gzip
import json
import tracemalloc

import archive

TRACK = {"type": "track", "userId": "ada", "event": "Signed Up"}
LINE = json.dumps(TRACK)


def read(path):
    """The (line, event) pairs and the broken (line, why) pairs of one file."""
    broken = []
    (file,) = archive.files([str(path)], lambda: None)
    return list(file.events(lambda line, text, why: broken.append((line, why)))), broken


def events(path):
    found, broken = read(path)
    assert broken == []
    return [event for _, event in found]


def test_every_layout_gives_the_same_events(tmp_path):
    layouts = {
        "lines.ndjson": f"{LINE}\n{LINE}\n",
        "no-last-newline.json": f"{LINE}\n{LINE}",
        "blank-lines.json": f"\n{LINE}\n\n  \n{LINE}\r\n",
        "one-line.json": LINE + LINE,
        "array.json": f"[{LINE}, {LINE}]",
        "pretty-array.json": json.dumps([TRACK, TRACK], indent=2),
        "pretty-objects.json": json.dumps(TRACK, indent=2) + "\n" + json.dumps(TRACK, indent=2),
        "batch.json": json.dumps({"batch": [TRACK, TRACK]}),
        "pretty-batch.json": json.dumps({"batch": [TRACK, TRACK]}, indent=2),
        "byte-order-mark.json": f"\ufeff{LINE}\n{LINE}",
    }
    for name, text in layouts.items():
        (tmp_path / name).write_text(text)
        assert events(tmp_path / name) == [TRACK, TRACK], name
        with gzip.open(tmp_path / f"{name}.gz", "wt") as file:
            file.write(text)
        assert events(tmp_path / f"{name}.gz") == [TRACK, TRACK], f"{name}.gz"


def test_what_a_batch_says_of_all_its_events_counts_for_each(tmp_path):
    file = tmp_path / "batch.json"
    file.write_text(json.dumps({
        "sentAt": "2026-01-05T10:00:00Z", "context": {"ip": "192.0.2.1", "locale": "de"},
        "batch": [{**TRACK, "context": {"locale": "en"}}, TRACK]}))
    first, second = events(file)
    assert first["context"] == {"ip": "192.0.2.1", "locale": "en"}
    assert second["context"] == {"ip": "192.0.2.1", "locale": "de"}
    assert first["sentAt"] == second["sentAt"] == "2026-01-05T10:00:00Z"


def test_broken_lines_are_named_and_the_others_read(tmp_path):
    file = tmp_path / "broken.ndjson"
    deep = "[" * 100_000
    broken = ['{"type":"tra', "nonsense", '{"type":"track",', '[1]', '"text"', "{}", deep, '{"batch":[3]}', "NaN"]
    file.write_text("".join(f"{line}\n{LINE}\n" for line in broken))
    found, told = read(file)
    assert [line for line, _ in found] == list(range(2, 2 * len(broken) + 1, 2))
    assert [line for line, _ in told] == list(range(1, 2 * len(broken), 2))


def test_a_damaged_gzip_file_gives_what_comes_before_the_damage(tmp_path):
    file = tmp_path / "cut.gz"
    whole = gzip.compress("".join(f'{{"type":"track","userId":"{n}"}}\n' for n in range(100_000)).encode())
    file.write_bytes(whole[: len(whole) // 2])
    found, told = read(file)
    assert 0 < len(found) < 100_000
    assert "can't be read any further" in told[-1][1]


def test_an_array_without_an_end_gives_its_elements(tmp_path):
    file = tmp_path / "array.json"
    file.write_text(f"[{LINE},{LINE}")
    found, told = read(file)
    assert len(found) == 2
    assert len(told) == 1


def test_memory_does_not_grow_with_a_file(tmp_path, monkeypatch):
    def peak(events):
        file = tmp_path / f"{events}.json"
        with file.open("w") as out:
            out.write("[" + ",".join([LINE] * events) + "]")
        (opened,) = archive.files([str(file)], lambda: None)
        tracemalloc.start()
        count = sum(1 for _ in opened.events(lambda *_: None))
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert count == events
        return most

    monkeypatch.setattr(archive, "PIECE_BYTES", 1 << 14)
    assert peak(40_000) < 1.5 * peak(10_000)


def test_folders_are_read_in_the_order_of_their_names(tmp_path):
    for name in ("1768176000000/b.gz", "1768176000000/a.gz", "1768089600000/z.gz"):
        path = tmp_path / "segment-logs" / "source" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(LINE.encode()))
    found = archive.files([str(tmp_path)], lambda: None)
    assert [file.name.rpartition("source/")[2] for file in found] == [
        "1768089600000/z.gz", "1768176000000/a.gz", "1768176000000/b.gz"]
