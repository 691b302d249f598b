"""Splits of a user's images: named by a list, by folders, or drawn by a hash of the file name."""

import hashlib
import re
from pathlib import PurePath

TEST_SHARE = 0.1  # of the images whose split nothing names
SPLIT_WORDS = {
    "train": ("train", "training", "trainset"),
    "val": ("val", "valid", "validation", "valset"),
    "test": ("test", "testing", "testset"),
}
SPLITS = {word: split for split, words in SPLIT_WORDS.items() for word in words}
ADDED_TO_SPLITS = {"", "data", "images", "imgs", "set", "split"}  # as in "train_images"


def split_named(text):
    """Return the split that a cell or a folder names, in any case; None for none or several.

    "Training", "valid_images" and "test2017" name one, "test subjects" does not.
    """
    words = set(re.split(r"[^a-z]+", text.lower())) - ADDED_TO_SPLITS
    return SPLITS.get(words.pop()) if len(words) == 1 else None


def split_of_file(name):
    """Return the split in a path below the root: of its last part that contains exactly one."""
    for part in reversed(PurePath(name).parts):
        splits = {SPLITS[word] for word in re.split(r"[^a-z]+", part.lower()) if word in SPLITS}
        if len(splits) == 1:
            return splits.pop()
    return None


def folder_splits(names):
    """Return {name: split} of the images in folders named as splits; the outermost one counts.

    Empty unless one folder is for training and another for validation or test.
    """
    splits = {}
    for name in names:
        named = [split for split in map(split_named, PurePath(name).parts[:-1]) if split]
        if named:
            splits[name] = named[0]
    found = set(splits.values())
    return splits if "train" in found and len(found) > 1 else {}


def assign_splits(names, named):
    """Return {name: split} of all images of a folder.

    named: {name: split or None} from lists and folders. Other images are split by a hash of their
    name, so that adding images changes no split. If nothing names a split, the smallest and the
    largest hashes go to test and train, so that each has two images, as matching requires.
    """
    splits = {
        name: named.get(name) or ("test" if _hash_fraction(name) < TEST_SHARE else "train")
        for name in names
    }
    if not any(named.values()):
        ordered, least = sorted(names, key=_hash_fraction), min(2, len(names) // 2)
        splits.update(dict.fromkeys(ordered[:least], "test"))
        splits.update(dict.fromkeys(ordered[len(names) - least :], "train"))
    return splits


def _hash_fraction(name):
    """Return a hash of a name as a number in [0, 1)."""
    digest = hashlib.sha1(name.encode(errors="surrogateescape")).digest()
    return int.from_bytes(digest[:4], "big") / (1 << 32)
