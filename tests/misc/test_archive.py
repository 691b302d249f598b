"""misc.fetching.archive with archives that are sound, damaged, or made to do harm."""

import errno
import gzip
import io
import os
import tarfile

import pytest

from misc.fetching.archive import unpack
from utils.disk import lock
from utils.errors import UserError

PREFIX = "data/faces"
SOUND = {"data/faces/list.txt": b"a\nb\n", "data/faces/images/a.png": bytes(range(256)) * 50}


def file_member(name, content=b"evil"):
    member = tarfile.TarInfo(name)
    member.size = len(content)
    return member, content


def link_member(name, goal, kind=tarfile.SYMTYPE):
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, goal
    return member, b""


def special_member(name, kind):
    member = tarfile.TarInfo(name)
    member.type = kind
    return member, b""


def write_archive(path, members):
    """Write a .tar.gz of (TarInfo, content) as given: tarfile adds what no `tar` would."""
    with tarfile.open(path, "w:gz") as tar:
        for member, content in members:
            tar.addfile(member, io.BytesIO(content))
    return path


def sound_members():
    return [file_member(name, content) for name, content in SOUND.items()]


def tree_of(folder):
    """Return the files below a folder: relative path -> content."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*")) if path.is_file()
    }


@pytest.fixture
def place(tmp_path):
    """A target with a folder above it and a neighbour, to see that neither is touched."""
    (tmp_path / "dest" / "data" / "other").mkdir(parents=True)
    (tmp_path / "dest" / "data" / "other" / "kept").write_bytes(b"mine")
    return tmp_path / "dest" / PREFIX


def refuse(tmp_path, place, members, match):
    """Unpack what must be refused, and see that nothing has changed anywhere."""
    archive = write_archive(tmp_path / "bad.tar.gz", members)
    before = tree_of(tmp_path)
    with pytest.raises(UserError, match=match) as caught:
        unpack(archive, PREFIX, place)
    assert str(archive) in str(caught.value) and "\n" not in str(caught.value)
    assert tree_of(tmp_path) == before
    assert sorted(entry.name for entry in place.parent.iterdir()) == ["other"]


def test_a_sound_archive_becomes_the_target(tmp_path, place):
    folder = special_member("./data/faces/empty", tarfile.DIRTYPE)
    above = special_member("data", tarfile.DIRTYPE)
    archive = write_archive(tmp_path / "good.tar.gz", [above, *sound_members(), folder])
    unpack(archive, PREFIX, place)
    assert tree_of(place) == {name[len(PREFIX) + 1:]: data for name, data in SOUND.items()}
    assert (place / "empty").is_dir()
    assert sorted(entry.name for entry in place.parent.iterdir()) == ["faces", "other"]


def test_file_modes_are_those_of_the_user(tmp_path, place):
    member, content = file_member("data/faces/tool")
    member.mode = 0o4777
    unpack(write_archive(tmp_path / "a.tar.gz", [(member, content)]), PREFIX, place)
    (tmp_path / "plain").touch()
    assert (place / "tool").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_links_inside_the_tree_work_after_the_move(tmp_path, place):
    links = [
        link_member("data/faces/first.png", "images/a.png"),
        link_member("data/faces/images/list", "../list.txt"),
        link_member("data/faces/same", "data/faces/list.txt", tarfile.LNKTYPE),
    ]
    unpack(write_archive(tmp_path / "links.tar.gz", [*links, *sound_members()]), PREFIX, place)
    assert (place / "first.png").read_bytes() == SOUND["data/faces/images/a.png"]
    assert (place / "images" / "list").read_bytes() == SOUND["data/faces/list.txt"]
    assert (place / "same").samefile(place / "list.txt")


@pytest.mark.parametrize("name", [
    "../evil", "data/faces/../../../evil", "data/faces/../faces2/evil", "/evil", "//evil",
    "evil", "data/evil", "data/facesevil", "data/other/kept",
])
def test_a_file_outside_the_folder_is_refused(tmp_path, place, name):
    refuse(tmp_path, place, [*sound_members(), file_member(name)], "unsafe archive, .* is outside")


def test_an_absolute_path_to_a_real_folder_is_refused(tmp_path, place):
    refuse(tmp_path, place, [file_member(str(tmp_path / "evil"))], "is outside data/faces/")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
@pytest.mark.parametrize("goal", ["/etc/passwd", "../../../secret", "data/other/kept"])
def test_a_link_out_of_the_folder_is_refused(tmp_path, place, kind, goal):
    (tmp_path / "secret").write_bytes(b"secret")
    members = [*sound_members(), link_member("data/faces/link", goal, kind)]
    refuse(tmp_path, place, members, "unsafe archive, the link .* leads to")


@pytest.mark.parametrize("links", [
    [("link", "../other/kept")],  # a neighbour's
    [("up", "images/.."), ("out", "up/../../other/kept")],  # by way of another link
    [("here", "."), ("out", "here/../../other/kept")],  # inside for who only reads the names
    [("circle", "circle")],
    [("nowhere", "images/none")],
])
def test_links_that_end_outside_or_nowhere_are_refused(tmp_path, place, links):
    members = [link_member(f"data/faces/{name}", goal) for name, goal in links]
    refuse(tmp_path, place, [*sound_members(), *members], "unsafe archive, the link .* leads to")


@pytest.mark.parametrize("goal", ["../other", "."])
def test_nothing_is_written_through_a_link(tmp_path, place, goal):
    members = [link_member("data/faces/way", goal), file_member("data/faces/way/evil")]
    archive = write_archive(tmp_path / "bad.tar.gz", [*members, *sound_members()])
    with pytest.raises(UserError):
        unpack(archive, PREFIX, place)
    assert tree_of(place.parent) == {"other/kept": b"mine"}


def test_no_link_is_made_through_a_link(tmp_path, place):
    links = [
        link_member("data/faces/way", "images"), link_member("data/faces/way/inner", "a.png"),
    ]
    refuse(tmp_path, place, [*sound_members(), *links], "lies behind another link")


@pytest.mark.parametrize("kind", [tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE])
def test_devices_are_refused(tmp_path, place, kind):
    refuse(tmp_path, place, [special_member("data/faces/device", kind)], "no file, folder or link")


def test_an_archive_of_something_else_is_refused(tmp_path, place):
    refuse(tmp_path, place, [special_member("data", tarfile.DIRTYPE)], "there is no data/faces/")


@pytest.mark.parametrize("spoil", [
    lambda data: data[:len(data) // 2],
    lambda data: b"",
    lambda data: b"<html>no such page</html>" * 40,
    lambda data: gzip.compress(b"not a tar archive" * 100),
    lambda data: data[:60] + bytes([data[60] ^ 255]) + data[61:],
])
def test_a_damaged_archive_leaves_nothing(tmp_path, place, spoil):
    archive = write_archive(tmp_path / "a.tar.gz", sound_members())
    archive.write_bytes(spoil(archive.read_bytes()))
    with pytest.raises(UserError, match="a.tar.gz"):
        unpack(archive, PREFIX, place)
    assert tree_of(place.parent) == {"other/kept": b"mine"}
    assert [entry.name for entry in place.parent.iterdir()] == ["other"]


def unpack_until(monkeypatch, tmp_path, place, error):
    """Unpack until the second file, where ``error`` is raised."""
    makefile, made = tarfile.TarFile.makefile, []

    def makefile_once(tar, member, path):
        if made:
            raise error
        made.append(path)
        makefile(tar, member, path)

    archive = write_archive(tmp_path / "a.tar.gz", sound_members())
    with monkeypatch.context() as patch:
        patch.setattr(tarfile.TarFile, "makefile", makefile_once)
        unpack(archive, PREFIX, place)


def test_a_full_disk_leaves_nothing(tmp_path, place, monkeypatch):
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with pytest.raises(UserError, match="faces: the disk is full; make room"):
        unpack_until(monkeypatch, tmp_path, place, full)
    assert [entry.name for entry in place.parent.iterdir()] == ["other"]


def test_ctrl_c_leaves_nothing_new_and_the_old_as_it_was(tmp_path, place, monkeypatch):
    place.mkdir()
    (place / "old").write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt):
        unpack_until(monkeypatch, tmp_path, place, KeyboardInterrupt())
    assert tree_of(place.parent) == {"faces/old": b"old", "other/kept": b"mine"}
    assert sorted(entry.name for entry in place.parent.iterdir()) == ["faces", "other"]


def test_a_target_is_replaced_as_a_whole(tmp_path, place):
    place.mkdir()
    (place / "old").write_bytes(b"old")
    unpack(write_archive(tmp_path / "a.tar.gz", sound_members()), PREFIX, place)
    assert sorted(tree_of(place)) == ["images/a.png", "list.txt"]


@pytest.mark.parametrize("failing_move", [1, 2])
def test_the_old_target_comes_back_if_the_move_fails(tmp_path, place, monkeypatch, failing_move):
    place.mkdir()
    (place / "old").write_bytes(b"old")
    rename, moves = os.rename, []

    def rename_or_fail(source, target):
        moves.append(source)
        if len(moves) == failing_move:
            raise OSError(errno.EACCES, "no permission")
        rename(source, target)

    archive = write_archive(tmp_path / "a.tar.gz", sound_members())
    with monkeypatch.context() as patch, pytest.raises(UserError, match="no permission"):
        patch.setattr(os, "rename", rename_or_fail)
        unpack(archive, PREFIX, place)
    assert tree_of(place.parent) == {"faces/old": b"old", "other/kept": b"mine"}


def test_what_a_killed_run_left_is_cleared(tmp_path, place):
    left = place.parent / ".faces.unpacking"
    (left / "data" / "faces").mkdir(parents=True)
    (left / "data" / "faces" / "half").write_bytes(b"half")
    (left / "replaced").write_bytes(b"")
    unpack(write_archive(tmp_path / "a.tar.gz", sound_members()), PREFIX, place)
    assert sorted(tree_of(place)) == ["images/a.png", "list.txt"]
    assert not left.exists()


def test_two_processes_do_not_unpack_to_the_same_place(tmp_path, place):
    aside = place.parent / ".faces.unpacking"
    aside.mkdir()
    descriptor = os.open(aside, os.O_RDONLY)
    lock(descriptor, aside)
    with pytest.raises(UserError, match="faces: another process is writing it"):
        unpack(write_archive(tmp_path / "a.tar.gz", sound_members()), PREFIX, place)
    os.close(descriptor)
    assert aside.is_dir()


def test_a_target_behind_a_link_is_filled_where_it_really_is(tmp_path, place):
    (tmp_path / "large_disk").mkdir()
    place.symlink_to(tmp_path / "large_disk")
    unpack(write_archive(tmp_path / "a.tar.gz", sound_members()), PREFIX, place)
    assert sorted(tree_of(tmp_path / "large_disk")) == ["images/a.png", "list.txt"]
    assert place.is_symlink()
