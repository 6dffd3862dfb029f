"""Nothing below a folder that the user names is written, emptied or renamed through a link."""

from __future__ import annotations

import errno
import os
import pickle
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from gmat_sweep.disk.append_log import AppendLog
from gmat_sweep.disk.files import atomic_path, fsync_dir, write_file
from gmat_sweep.disk.held import held, make_folder, open_plain, plain_reader, read_plain
from gmat_sweep.disk.lock import LOCK_FILE_NAME, FolderLock, nobody_writes
from gmat_sweep.errors import DurabilityError, NotPlainFileError, SweepConfigError

MINE = b"mine\n"
APPEND = os.O_WRONLY | os.O_APPEND | os.O_CREAT


def written_over_it(path: Path) -> None:
    with atomic_path(path) as temporary:
        temporary.write_bytes(b"theirs")


def appended(path: Path) -> None:
    AppendLog(path, lambda *_: None).append(lambda _: b"theirs\n", sync=True)


WRITERS: dict[str, Callable[[Path], object]] = {
    "a whole file": lambda path: write_file(path, b"theirs"),
    "a file by its path": written_over_it,
    "a line": appended,
    "an open file": lambda path: os.close(open_plain(path, APPEND)),
    "the lock": lambda path: FolderLock(path.parent).acquire(),
}
READERS: dict[str, Callable[[Path], object]] = {
    "a small file": read_plain,
    "a large file": lambda path: plain_reader(path).read(),
    "the lock": lambda path: nobody_writes(path.parent).__enter__(),
}


def planted(kind: str, path: Path) -> None:
    """Put what is no plain file at a path."""
    if kind == "a FIFO":
        os.mkfifo(path)
    elif kind == "a socket":
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(path))
    elif kind == "a folder":
        path.mkdir()
    else:
        path.symlink_to({"a device": "/dev/zero", "nothing": "gone"}.get(kind, kind))


@pytest.fixture
def precious(tmp_path: Path) -> Path:
    """A file of the user's, outside of the sweep folder."""
    path = tmp_path / "precious"
    path.write_bytes(MINE)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "sweep"
    path.mkdir()
    return path


@pytest.mark.promise("folders from somebody else", "links in place of the files that are written")
@pytest.mark.parametrize("what", WRITERS)
def test_a_link_is_refused_and_what_it_leads_to_stays(
    what: str, folder: Path, precious: Path
) -> None:
    for name, target in {LOCK_FILE_NAME: precious, "other": precious.parent / "gone"}.items():
        path = folder / name
        if what == "the lock" and name != LOCK_FILE_NAME:
            continue
        path.symlink_to(target)

        with pytest.raises(NotPlainFileError, match="is a symbolic link") as caught:
            WRITERS[what](path)

        assert str(path) in str(caught.value)
        assert path.is_symlink()
        assert precious.read_bytes() == MINE
        assert not (precious.parent / "gone").exists()
    assert {each.name for each in folder.iterdir()} <= {LOCK_FILE_NAME, "other"}


@pytest.mark.promise("folders from somebody else", "FIFOs, sockets and devices in place of files")
@pytest.mark.parametrize("kind", ["a FIFO", "a socket", "a folder", "a device"])
def test_nothing_waits_for_a_fifo_or_reads_a_device(
    kind: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)  # the name of a socket is short
    path = Path(LOCK_FILE_NAME)
    planted(kind, path)
    path = path.absolute()

    for act in (*WRITERS.values(), *READERS.values()):
        with pytest.raises((NotPlainFileError, IsADirectoryError)) as caught:
            act(path)
        assert str(path) in str(caught.value)


def test_a_folder_below_that_is_a_link_is_refused_and_made_nowhere(
    folder: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    (outside / "kept").mkdir(parents=True)
    (folder / "run-0").symlink_to(outside)
    (folder / "run-1").write_bytes(b"a file")
    below = folder / "run-0" / "deep"

    for act in (
        lambda: write_file(folder / "run-0" / "a", b"x", within=folder),
        lambda: open_plain(folder / "run-0" / "a", APPEND, within=folder),
        lambda: make_folder(below, within=folder),
        lambda: make_folder(folder / "run-0", within=folder),
        lambda: make_folder(folder / "run-1", within=folder),
        lambda: write_file(folder / "run-0" / "kept" / "a", b"x", within=folder),
    ):
        with pytest.raises(NotPlainFileError, match=r"run-[01] is (a symbolic link|no plain)"):
            act()
    assert [path.name for path in outside.rglob("*")] == ["kept"]


def test_the_folder_that_the_user_names_may_be_a_link(folder: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(folder)
    make_folder(link / "run-0", within=link)
    write_file(link / "run-0" / "a", b"x", within=link)
    with FolderLock(link):
        write_file(link / "b", b"y")

    assert (folder / "run-0" / "a").read_bytes() == b"x"
    assert (folder / "b").read_bytes() == b"y"


def test_what_is_written_stays_in_the_folder_that_is_held(folder: Path, tmp_path: Path) -> None:
    """Somebody puts a link in place of the folder while a file is being written."""
    (folder / "run-0").mkdir()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()

    def content() -> object:
        yield b"x"
        (folder / "run-0").rename(folder / "moved")
        (folder / "run-0").symlink_to(elsewhere)
        yield b"y"

    write_file(folder / "run-0" / "a", content(), within=folder)  # type: ignore[arg-type]

    assert (folder / "moved" / "a").read_bytes() == b"xy"
    assert list(elsewhere.iterdir()) == []


def test_a_tree_is_deleted_and_of_a_link_only_the_link(folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_bytes(MINE)
    (folder / "tree" / "deep").mkdir(parents=True)
    (folder / "tree" / "link").symlink_to(outside)
    (folder / "link").symlink_to(outside)

    with held(folder) as it:
        it.remove_tree("tree")
        it.remove_tree("link")

    assert list(folder.iterdir()) == []
    assert (outside / "kept").read_bytes() == MINE


def test_a_file_that_is_too_large_to_be_one_of_ours_is_not_read(folder: Path) -> None:
    path = folder / "last-pass.json"
    with path.open("wb") as file:
        file.truncate(1 << 40)

    with pytest.raises(NotPlainFileError, match="larger than any"):
        read_plain(path)


def test_a_manifest_may_be_read_through_a_link(folder: Path, precious: Path) -> None:
    (folder / "link").symlink_to(precious)
    with plain_reader(folder / "link") as file:
        assert file.read() == MINE


def test_the_error_survives_a_pickle_and_is_two_errors(folder: Path) -> None:
    (folder / "link").symlink_to("/")
    with pytest.raises(NotPlainFileError) as caught:
        write_file(folder / "link", b"")
    again = pickle.loads(pickle.dumps(caught.value))

    assert (str(again), again.errno) == (str(caught.value), errno.ELOOP)
    assert isinstance(again, SweepConfigError)


@pytest.mark.parametrize("code", [errno.EACCES, errno.EPERM])
def test_a_folder_that_may_be_written_to_but_not_listed_will_do(
    code: int, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.open

    def refused(path: str, flags: int, *rest: int, **options: int) -> int:
        if flags & os.O_DIRECTORY and not flags & os.O_PATH:
            raise OSError(code, os.strerror(code), path)
        return real(path, flags, *rest, **options)

    monkeypatch.setattr(os, "open", refused)
    write_file(folder / "a", b"x")
    fsync_dir(folder)
    monkeypatch.setattr(
        os, "open", lambda path, flags, *r, **o: refused(path, flags & ~os.O_PATH, *r, **o)
    )
    write_file(folder / "b", b"y")

    assert [(folder / name).read_bytes() for name in "ab"] == [b"x", b"y"]


def test_a_disk_that_fails_at_the_folder_is_still_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fsync

    def failing(descriptor: int) -> None:
        if Path(f"/proc/self/fd/{descriptor}").resolve() == folder.resolve():
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(DurabilityError, match="Input/output"):
        write_file(folder / "a", b"x")
