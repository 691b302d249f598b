"""Unpack a tar archive completely or not at all, and never outside its folder.

Members are unpacked in a hidden folder beside the target, which replaces the target at the end. No
link exists while folders and regular files are written, so no name can lead elsewhere; links are
made last, and each must then lead to something inside the tree.
"""

import gzip
import os
import shutil
import tarfile
import zlib
from contextlib import contextmanager
from pathlib import PurePosixPath

from tqdm.utils import CallbackIOWrapper

from utils.disk import disk_errors, lock, parent_folder
from utils.errors import UserError
from utils.progress import byte_bar

DAMAGED = (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError)


def unpack(archive, prefix, target):
    """Unpack ``archive`` so that its folder ``prefix`` replaces ``target``; raises ``UserError``.

    archive: a .tar.gz whose checksum is right (not every damage is found here)
    prefix: the folder, such as ``data/celeba``, below which every member must lie

    On any failure, Ctrl-C included, ``target`` stays as it was and nothing else is left.
    """
    if not hasattr(tarfile, "data_filter"):
        raise UserError("unpacking needs Python 3.10.12, 3.11.4 or later, for a safe tarfile")
    prefix, target = PurePosixPath(prefix), target.resolve()
    with disk_errors(target), parent_folder(target), _folder_aside(target) as aside:
        try:
            links = _write_files(archive, prefix, aside)
        except DAMAGED as error:
            raise UserError(f"{archive}: damaged or unsafe archive ({error})") from error
        tree = aside / prefix
        if not tree.is_dir():
            raise UserError(f"{archive}: there is no {prefix}/ in it")
        for member in links:
            _make_link(archive, member, aside)
        for member in links:
            _require_inside(archive, member, aside, tree)
        _swap(tree, target, aside / "replaced")


@contextmanager
def _folder_aside(target):
    """Yield an empty folder beside ``target``, locked by this process; remove it at the end."""
    aside = target.with_name(f".{target.name}.unpacking")
    aside.mkdir(exist_ok=True)
    descriptor = os.open(aside, os.O_RDONLY)
    try:
        lock(descriptor, target)
        try:
            for entry in list(aside.iterdir()):  # left by a process that was killed
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
            yield aside
        finally:
            shutil.rmtree(aside)
    finally:
        os.close(descriptor)


def _write_files(archive, prefix, aside):
    """Write folders and regular files; return the members that are links, hard ones first."""
    links = []
    size = archive.stat().st_size
    with open(archive, "rb") as raw, byte_bar(f"unpacking {archive.name}", size) as bar:
        with tarfile.open(fileobj=CallbackIOWrapper(bar.update, raw), mode="r|*") as tar:
            while (member := tar.next()) is not None:
                tar.members.clear()  # or all are kept: half a gigabyte for CelebA
                _require_expected(archive, member, prefix)
                if member.issym() or member.islnk():
                    links.append(member)
                else:
                    tar.extract(member, aside, set_attrs=False, filter="data")
    return sorted(links, key=tarfile.TarInfo.issym)


def _require_expected(archive, member, prefix):
    """Raise unless the member is a folder, file or link in ``prefix``, or a folder above it."""
    path = PurePosixPath(member.name)
    leads_there = member.isdir() and path.parts == prefix.parts[:len(path.parts)]
    if not (_is_below(path, prefix) or leads_there):
        raise UserError(f"{archive}: unsafe archive, '{member.name}' is outside {prefix}/")
    if not (member.isreg() or member.isdir() or member.issym() or member.islnk()):
        raise UserError(f"{archive}: unsafe archive, '{member.name}' is no file, folder or link")
    link = PurePosixPath(member.linkname)
    if member.islnk() and not _is_below(link, prefix) or member.issym() and link.is_absolute():
        raise _link_leaves(archive, member)


def _is_below(path, prefix):
    return path.parts[:len(prefix.parts)] == prefix.parts and ".." not in path.parts


def _link_leaves(archive, member):
    return UserError(
        f"{archive}: unsafe archive, the link '{member.name}' leads to '{member.linkname}', "
        "which is not in the archive's own folder"
    )


def _make_link(archive, member, aside):
    path = aside / member.name
    if path.parent.resolve() != path.parent:
        raise UserError(f"{archive}: unsafe archive, '{member.name}' lies behind another link")
    path.parent.mkdir(parents=True, exist_ok=True)
    if member.islnk():
        os.link(aside / member.linkname, path)
    else:
        os.symlink(member.linkname, path)


def _require_inside(archive, member, aside, tree):
    """Raise unless the link leads, maybe through others, to something that exists in ``tree``."""
    try:
        end = (aside / member.name).resolve(strict=True)
    except (OSError, RuntimeError) as error:  # it leads nowhere, or in a circle
        raise _link_leaves(archive, member) from error
    if not end.is_relative_to(tree):
        raise _link_leaves(archive, member)


def _swap(tree, target, replaced):
    """Move ``tree`` to ``target``, and an old ``target`` to ``replaced``."""
    try:
        if target.exists():
            os.rename(target, replaced)
        os.rename(tree, target)
    except BaseException:  # Ctrl-C too
        if replaced.exists() and not target.exists():
            os.rename(replaced, target)
        raise
