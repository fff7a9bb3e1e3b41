"""Zips that mean harm: each is refused or its bad part left out, and nothing lands on disk."""

import io
import stat
import struct
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from robust_core.data import archive
from robust_core.data.archive import Limits, ZipSource
from robust_core.data.folder import read_zip
from robust_core.types import UserError


def source(file: Path | io.BytesIO, **limits: int) -> ZipSource:
    return ZipSource(file, name="set", limits=Limits(**limits))


def stored(path: str, mode: int = 0) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(path)
    info.external_attr = mode << 16
    return info


def test_names_and_bytes_come_out_as_they_went_in(pack, animals) -> None:
    zipped = source(pack(animals))
    assert list(zipped.names) == list(animals)
    assert all(zipped.read(path) == content for path, content in animals.items())
    assert zipped.skipped == []
    zipped.close()


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("../cat/evil.png", "leaves the zip"),
        ("cat/../../evil.png", "leaves the zip"),
        ("..\\cat\\evil.png", "leaves the zip"),
        ("/etc/cat/evil.png", "absolute"),
        ("C:\\cat\\evil.png", "absolute"),
        ("cat/inner.zip", "archive inside"),
        ("cat/inner.tar.gz", "archive inside"),
        ("cat/notes.txt", "not a picture's file name"),
    ],
)
def test_unsafe_names_nested_archives_and_other_files_are_left_out(
    pack, animals, tmp_path: Path, monkeypatch, path: str, reason: str
) -> None:
    place = tmp_path / "in" / "here"
    place.mkdir(parents=True)
    monkeypatch.chdir(place)
    loaded = read_zip(pack({**animals, path: animals["cat/0.png"]}))
    assert len(loaded.splits.train) + len(loaded.splits.test) == 20
    assert len(loaded.skipped) == 1
    assert reason in loaded.skipped[0]
    assert [each.name for each in tmp_path.rglob("*") if each.is_file()] == ["set.zip"]


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_special_files_are_left_out(pack, animals, kind: int) -> None:
    link = stored("cat/link.png", kind | 0o777)
    zipped = source(pack({**animals, link: b"../../secret.png", stored("cat/x.png", stat.S_IFREG | 0o644): b"x"}))
    assert zipped.skipped == ["cat/link.png: a link or a special file"]
    assert len(zipped.names) == 21
    zipped.close()


def test_what_systems_leave_behind_is_not_even_listed(pack, animals) -> None:
    junk = {"__MACOSX/cat/._0.png": b"x", "cat/.DS_Store": b"x", "dog/Thumbs.db": b"x"}
    loaded = read_zip(pack({**animals, **junk}))
    assert loaded.skipped == ()


def test_a_file_that_unpacks_to_a_thousand_times_its_size_is_refused(pack, animals) -> None:
    bomb = pack({**animals, "cat/bomb.png": bytes(20_000_000)})
    with pytest.raises(UserError, match=r"set: cat/bomb.png unpacks to 10\d\d times its size"):
        read_zip(bomb)
    with pytest.raises(UserError, match="times its size"):  # in whatever file it sits
        read_zip(pack({**animals, "cat/bomb.txt": bytes(20_000_000)}))


def test_a_small_picture_of_one_colour_is_no_bomb(pack, animals, encode) -> None:
    from PIL import Image

    flat = encode(Image.new("RGB", (200, 200)), "BMP")  # 120 kB, packed hundreds of times smaller
    assert len(read_zip(pack({**animals, "cat/flat.bmp": flat})).skipped) == 0


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"files": 19}, "20 files are too many, at most 19"),
        ({"file_bytes": 100}, "at most 0 MiB a picture"),
        ({"total_bytes": 2000}, "unpacks to"),
        ({"ratio": 0, "ratio_from": 10}, "times"),
        ({"directory_bytes": 900}, "too many files"),
    ],
)
def test_each_limit_holds(pack, animals, limits: dict[str, int], words: str) -> None:
    assert set(limits) <= set(Limits.__dataclass_fields__)
    with pytest.raises(UserError, match=words):
        source(pack(animals), **limits)
    source(pack(animals)).close()


def lie(path: Path, member: str, size: int) -> io.BytesIO:
    """The zip with the unpacked size of one member replaced, in the list of files and before its data."""
    with zipfile.ZipFile(path) as original:
        offset = original.getinfo(member).header_offset
    data = bytearray(path.read_bytes())
    data[offset + 22 : offset + 26] = struct.pack("<I", size)
    entry = data.rindex(member.encode()) - 46
    assert data[entry : entry + 4] == b"PK\1\2"
    data[entry + 24 : entry + 28] = struct.pack("<I", size)
    return io.BytesIO(bytes(data))


def test_a_header_that_promises_little_does_not_open_the_door(pack, animals) -> None:
    """50 MB behind a header that says 5,000 bytes: no more than the limit is ever unpacked, and the rest loads."""
    liar = lie(pack({**animals, "cat/liar.png": bytes(50_000_000)}), "cat/liar.png", 5_000)
    zipped = source(liar)
    tracemalloc.start()
    with pytest.raises(UserError, match=r"cat/liar.png: damaged"):
        zipped.read("cat/liar.png")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    zipped.close()
    assert peak < 2_000_000
    loaded = read_zip(liar)
    assert loaded.skipped == ("cat/liar.png: damaged in the zip",)


def test_reading_stops_at_the_limit_even_if_the_check_before_is_passed(pack, animals) -> None:
    zipped = source(pack(animals), file_bytes=10**6)
    zipped.limits = Limits(file_bytes=100)
    with pytest.raises(UserError, match=r"dog/0.png: unpacks to more than"):
        zipped.read("dog/0.png")
    zipped.close()


def test_overlapping_entries_count_by_what_they_unpack_to(tmp_path: Path, animals) -> None:
    """Many entries that point at the same packed bytes: small each, huge together."""
    path = tmp_path / "overlap.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("cat/0.png", bytes(600_000))
        info = made.infolist()[0]
        for i in range(1, 2000):
            copy = zipfile.ZipInfo(f"cat/{i}.png")
            for each in ("CRC", "compress_size", "file_size", "header_offset", "compress_type"):
                setattr(copy, each, getattr(info, each))
            made.filelist.append(copy)
    with pytest.raises(UserError, match="unpacks to 1144 MiB"):
        read_zip(path)


def test_unusual_packing_and_passwords_are_left_out(tmp_path: Path, animals) -> None:
    path = tmp_path / "odd.zip"
    with zipfile.ZipFile(path, "w") as made:
        for name, content in animals.items():
            made.writestr(name, content, zipfile.ZIP_BZIP2 if name == "dog/3.png" else zipfile.ZIP_STORED)
    data = bytearray(path.read_bytes())
    data[data.rindex(b"cat/4.png") - 46 + 8] |= 1  # the flag of a locked file
    skipped = read_zip(io.BytesIO(bytes(data))).skipped
    assert skipped[0].startswith("dog/3.png: packed by an unusual method")
    assert skipped[1:] == ("cat/4.png: locked with a password",)


def test_a_name_that_is_there_twice_counts_once(tmp_path: Path, animals) -> None:
    path = tmp_path / "twice.zip"
    with zipfile.ZipFile(path, "w") as made:
        for name, content in animals.items():
            made.writestr(name, content)
        with pytest.warns(UserWarning, match="Duplicate name"):
            made.writestr("cat/0.png", animals["cat/1.png"])
    zipped = source(path)
    assert zipped.read("cat/0.png") == animals["cat/0.png"]
    assert zipped.skipped == ["cat/0.png: is there twice; the first is taken"]
    zipped.close()


@pytest.mark.parametrize("name", ["NAMELESS", ".", "./", "NAMELESS/"])
def test_an_entry_without_a_name_is_left_out(pack, animals, name: str) -> None:
    held = io.BytesIO(pack(animals).read_bytes())
    whole = source(io.BytesIO(held.getvalue())).names
    with zipfile.ZipFile(held, "a") as archive_:
        archive_.writestr(name, b"x")
    content = held.getvalue().replace(b"NAMELESS", b"\0AMELESS")  # no writer writes such a name
    assert source(io.BytesIO(content)).names == whole


def test_what_is_no_zip_is_refused(pack, animals, tmp_path: Path) -> None:
    data = pack(animals).read_bytes()
    for content in (b"", b"not a zip", data[: len(data) // 2], data[:-22] + b"PK\5\6" + b"\xff" * 18):
        with pytest.raises(UserError, match=r"^upload: "):
            read_zip(io.BytesIO(content))
    with pytest.raises(UserError, match="no zip at"):
        read_zip(tmp_path / "missing.zip")


def test_the_size_of_a_zip64_directory_is_seen(tmp_path: Path) -> None:
    """The 64-bit record beside which the 32-bit field says nothing."""
    directory = 10**9
    record = b"PK\6\6" + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, 1, 1, directory, 0)
    locator = b"PK\6\7" + struct.pack("<IQI", 0, 0, 1)
    end = b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFF0, 0xFFFFFFFF, 0)
    assert len(record) == 56
    with pytest.raises(UserError, match="too many files"):
        source(io.BytesIO(bytes(100) + record + locator + end.replace(b"\xf0\xff\xff\xff", bytes(4))))


def test_every_picture_ending_has_a_reader() -> None:
    assert archive.not_a_picture("a/B.JPG") is None
    assert archive.not_a_picture("a/b") is not None
