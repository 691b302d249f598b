"""Download a published data set and unpack it to the folder that configs name.

    python misc/fetch_datasets.py --dataset celeba
    python misc/fetch_datasets.py --dataset 300w --root_url ../mirror --purge_tar_file

The archive is saved as ``data/<dataset>.tar.gz`` and unpacked only if its SHA-1 is the published
one. An interrupted download resumes, an archive that was put there by hand is used, and a complete
data set is not downloaded again.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the project's packages

from misc.fetching.archive import unpack
from misc.fetching.download import Network, fetch
from misc.fetching.files import measure, sha1_of
from misc.published import BASE_URL, add_fetch_options, locate
from utils.cli import make_parser, run_program
from utils.disk import disk_errors, require_space, size_text
from utils.errors import UserError
from utils.project import HOME
from utils.text import counted

MIB, GIB = 2 ** 20, 2 ** 30
UNPACKED_RATIO = 1.25  # photographs hardly compress; each file wastes a part of its last disk block
RECORD = ".fetched.json"  # in the data set's folder: number and bytes of the files unpacked


@dataclass(frozen=True)
class Dataset:
    """A published archive."""

    name: str
    folder: str  # in the archive and below --dest
    sha1: str
    size: int  # bytes of the archive, to the digit that was published
    contents: tuple  # files and folders that a complete copy has at least

    @property
    def archive(self):
        return f"{self.name}.tar.gz"


DATASETS = (
    Dataset(
        "celeba", "data/celeba", "f6872ab0f2df8e5843abe99dc6d6100dd4fea29f", int(9.0 * GIB),
        ("Img/img_align_celeba_hq", "Anno/list_landmarks_align_celeba.txt",
         "Eval/list_eval_partition.txt", "MAFL/training.txt", "MAFL/testing.txt"),
    ),
    Dataset(
        "300w", "data/300w", "885b09159c61fa29998437747d589c65cfc4ccd3", int(3.0 * GIB),
        ("300w/Bounding Boxes", "300w/afw", "300w/helen", "300w/lfpw", "300w/ibug"),
    ),
    Dataset(
        "aflw-mtfl", "data/aflw-mtfl", "1ff31c07cef4f2777b416d896a65f6c17d8ae2ee", 252 * MIB,
        ("aflw_cropped/facedata_cropped.csv", "MTFL/testing.txt"),
    ),
    Dataset(
        "aflw-recrop", "data/aflw", "939fdce0e6262a14159832c71d4f84a9d516de5e", int(1.1 * GIB),
        ("aflw_release-2/output",
         "aflw_release-2/aflw_train_images.txt", "aflw_release-2/aflw_train_keypoints.mat",
         "aflw_release-2/aflw_test_images.txt", "aflw_release-2/aflw_test_keypoints.mat"),
    ),
)


def fetch_dataset(
    dataset, root_url=BASE_URL, dest=HOME, refresh=False, purge=False, network=Network(),
):
    """Download, check and unpack a data set below ``dest`` if it is missing; print its size.

    refresh: replace the folder (an archive with the right checksum is not downloaded again)
    purge: remove the archive afterwards, unless it belongs to a mirror

    Raises ``UserError`` and leaves the folder as it was.
    """
    target, archive = dest / dataset.folder, dest / "data" / dataset.archive
    with disk_errors(target):
        found = None if refresh else _existing(dataset, target)
        if found is None:
            whole = _obtain_archive(dataset, root_url, archive, network)
            require_space(target, int(whole.stat().st_size * UNPACKED_RATIO), "unpacking it")
            unpack(whole, dataset.folder, target)
            files, size = found = measure(target)
            record = {"sha1": dataset.sha1, "files": files, "bytes": size}
            (target / RECORD).write_text(json.dumps(record) + "\n")
        if purge:
            archive.unlink(missing_ok=True)
    files, size = found
    print(f"{dataset.name}: {counted(files, 'file')}, {size_text(size)} in {target}")


def _existing(dataset, target):
    """Return the number of files and bytes of a complete copy, None if there is none.

    Raises ``UserError`` for an incomplete copy, by the record of its unpacking; in a copy without a
    record, only the main parts are checked.
    """
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return None
    absent = [name for name in dataset.contents if not (target / name).exists()]
    if absent:
        raise _incomplete(target, f"no {', '.join(absent)}")
    files, size = measure(target)
    try:
        record = json.loads((target / RECORD).read_text())
    except (OSError, ValueError):
        record = None  # it was not unpacked by this program
    if record:
        files, size = files - 1, size - (target / RECORD).stat().st_size
        if files < record["files"] or size < record["bytes"]:
            unpacked = f"{record['files']} files with {record['bytes']} bytes"
            raise _incomplete(target, f"{unpacked} were unpacked, {files} with {size} are left")
    return files, size


def _incomplete(target, reason):
    return UserError(f"{target} is incomplete: {reason}; --refresh replaces the whole folder")


def _obtain_archive(dataset, root_url, archive, network):
    """Return the path of an archive with the right checksum; download it if necessary."""
    source = locate(root_url, f"datasets/{dataset.archive}")
    if archive.exists() and _has_sha1(dataset, archive):
        return archive
    if isinstance(source, Path):  # in a mirror's ``datasets/`` or at its top, used in place
        for place in (source, source.parents[1] / source.name):
            if place.exists():
                _require_sha1(dataset, place)
                return place
        raise UserError(f"{source}: no such file, nor {dataset.archive} in the folder above")
    part = archive.with_name(archive.name + ".part")
    arrived = part.stat().st_size if part.exists() else 0
    needed = max(dataset.size - arrived, 0) + int(dataset.size * UNPACKED_RATIO)
    require_space(archive.parent, needed, f"{dataset.name} (archive and unpacked)")
    print(f"{dataset.name}: fetching {source} ({size_text(dataset.size)})")
    try:
        fetch(source, archive, lambda file: _require_sha1(dataset, file), network)
    except UserError as error:
        by_hand = f"{BASE_URL}/datasets/{dataset.archive}"
        raise UserError(
            f"{error}; by hand: save {by_hand} as {archive} and run this again"
        ) from error
    return archive


def _has_sha1(dataset, archive):
    return sha1_of(archive, f"checking {dataset.archive}") == dataset.sha1


def _require_sha1(dataset, file):
    if not _has_sha1(dataset, file):
        size = size_text(file.stat().st_size)
        raise UserError(
            f"wrong checksum: {file} ({size}) is not the published archive, of sha1 {dataset.sha1}"
        )


def main(argv=None):
    by_name = {dataset.name: dataset for dataset in DATASETS}
    parser = make_parser(__doc__)
    parser.add_argument("--dataset", required=True, choices=sorted(by_name), help="what to fetch")
    parser.add_argument(
        "--purge_tar_file", action="store_true", help="remove the archive once it is unpacked"
    )
    add_fetch_options(parser)
    args = parser.parse_args(argv)
    fetch_dataset(
        by_name[args.dataset], args.root_url, args.dest, refresh=args.refresh,
        purge=args.purge_tar_file, network=Network(retries=args.retries),
    )


if __name__ == "__main__":
    sys.exit(run_program(main))
