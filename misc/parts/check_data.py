"""Check the images and landmarks of a config, and list the splits of its images."""

import csv
import sys

import torch
from torch.utils.data import Dataset
from tqdm import tqdm

from data_loader import DATASETS, LandmarkFolder
from data_loader.broken_images import examine
from data_loader.folder_listing import FolderListing
from data_loader.images import peculiarities, size_as_seen
from data_loader.published_dataset import PublishedDataset
from trainer.datasets import left_out_line, with_landmarks, without_error
from utils.config.objects import build, check_arguments
from utils.errors import EmptySplit, UserError, one_line
from utils.text import counted

LEFT_OUT = "left out: "  # begins the note of an image that cannot be read, and need not be


class FaultyFolder(LandmarkFolder):
    """A landmark folder that keeps the faults of its lists, and holds what is sound."""

    faults = ()

    def refuse(self, faults):
        self.faults = faults

    def misplaced(self, index, k):
        """Return the fault of landmark k of an image, outside it, with its place in the list."""
        path, (x, y) = self.paths[index], self.landmarks[index][k]
        size = size_as_seen(path)
        left, top, right, bottom = window = self.seen_window(index, size)
        ends = f"x = {left:.6g} to {right - 1:.6g}, y = {top:.6g} to {bottom - 1:.6g}"
        used = f", of which {ends} are used"
        return (
            f"{self.places[index]}: landmark {k + 1}, ({x:g}, {y:g}), is outside {path}: "
            f"{size[0]} x {size[1]} pixels{'' if window == (0, 0, *size) else used}"
        )


class Findings(Dataset):
    """The faults and notes of some items of a data set: two texts for each, "" for none.

    skips: whether an image that cannot be read is left out by a training, and so no fault.
    """

    def __init__(self, dataset, indices, skips):
        self.dataset, self.indices, self.split = dataset, indices, dataset.split
        self.skips = skips
        self.files = named_files(dataset)

    def __len__(self):
        return len(self.indices)

    def __getitem__(self, number):
        index = self.indices[number]
        name = self.files[index] if self.files else f"item {index}"
        try:
            fault = self._misplaced(index, name)
            notes = ", ".join(peculiarities(name)) if self.files else ""
        except UserError as error:
            broken = one_line(error)
            return ("", LEFT_OUT + broken) if self.skips else (broken, "")
        return fault, notes and f"{name}: {notes}"

    def _misplaced(self, index, name):
        """Return the fault of the first landmark that is NaN or outside, "" if none is."""
        S = self.dataset.imwidth
        for k, point in enumerate(self.dataset[index]["keypts"]):
            if not torch.isfinite(point).all():
                return f"{name}: landmark {k + 1} is NaN or infinite"
            if point.min() < -0.5 or point.max() > S - 0.5:  # the edges of the outer pixels
                if isinstance(self.dataset, FaultyFolder):
                    return self.dataset.misplaced(index, k)
                x, y = point.tolist()
                where = f"the {S} x {S} square that the image becomes: ({x:.1f}, {y:.1f})"
                return f"{name}: landmark {k + 1} is outside {where}"
        return ""


def named_files(dataset):
    """Return the file of each item of a data set, [] if items are not files."""
    files = dataset.source_files()
    return files if len(files) == len(dataset) else []


def shown_parts(dataset):
    """Return the file of each item, and its box if objects are cut out; [] as ``named_files``."""
    files, boxes = named_files(dataset), getattr(dataset, "boxes", None)
    return files if boxes is None else list(zip(files, map(tuple, boxes.tolist())))


def versions(config, split, report):
    """Return a split with its landmarks, if it has any, and as plain images, which may be more."""
    registry = {**DATASETS, LandmarkFolder.__name__: FaultyFolder}
    section, found, lacks = with_landmarks(config).dataset, [], []
    for args in (section["args"], {**section["args"], "use_keypoints": False}):
        try:
            found.append(build({**section, "args": args}, registry, "dataset", split=split))
        except EmptySplit as error:
            if config.is_landmark or not args["use_keypoints"]:
                lacks.append(one_line(error))
    if not any(getattr(dataset, "faults", ()) for dataset in found):  # which may be why
        for lack in lacks:
            report.add(lack)
    for dataset in found:
        if isinstance(dataset, PublishedDataset):
            dataset.require_files()  # one fault for an absent folder, not one for each image
    return found


class Report:
    """Prints faults and notes, each once: splits may share images.

    splits: {split: the files of its versions}, of the splits so far
    """

    def __init__(self, with_notes):
        self.with_notes, self.faults, self.notes = with_notes, set(), set()
        self.splits = {}

    def begin(self, split, datasets):
        """Print the faults of a split's lists, before the first split also a description of the
        data sets; return an earlier split that has the same images, None if there is none.
        """
        if not self.splits:
            print("".join(f"{line}\n" for line in datasets[0].describe()), end="")
        for dataset in datasets:
            for fault in getattr(dataset, "faults", ()):
                self.add(fault)
            for warning in dataset.warnings:
                self.add("", warning)
        files = [named_files(dataset) for dataset in datasets]
        same = [other for other, theirs in self.splits.items() if any(files) and theirs == files]
        self.splits[split] = files
        return same[0] if same else None

    def add(self, fault, note=""):
        """Print a fault and a note if they are new; "" for none."""
        if fault and fault not in self.faults:
            tqdm.write(fault)
        if note and note not in self.notes and self.with_notes:
            tqdm.write(f"note: {note}")
        self.faults.add(fault)
        self.notes.add(note)


def check_split(config, split, report, num_workers):
    """Check a split; return a summary with the number of its images and of those with faults."""
    seen, total, wrong, left_out = set(), 0, 0, 0
    skips = config.on_broken_image == "skip"
    datasets = versions(config, split, report)
    same = report.begin(split, datasets) if datasets else None
    if same:
        return f"the {same} images"
    if config.is_landmark and split != "train":
        for dataset in datasets[:1]:
            try:
                names = without_error(dataset)
                report.add("", left_out_line(dataset, names) if names else "")
            except UserError as error:
                report.add(one_line(error))
    for dataset in datasets:
        shown = shown_parts(dataset) or [None] * len(dataset)
        indices = [i for i, part in enumerate(shown) if part is None or part not in seen]
        for fault, note in examine(Findings(dataset, indices, skips), num_workers):
            wrong += bool(fault)
            left_out += note.startswith(LEFT_OUT)
            report.add(fault, note)
        total += len(indices)
        if None in shown:  # the plain images would be the same
            break
        seen.update(shown)
    if 0 < total == left_out:
        report.add(f"none of the {counted(total, 'image')} of split '{split}' can be read")
    what = "object" if config.dataset["args"].get("box_margin") is not None else "image"
    return (
        f"{counted(total, what)}, {wrong} of them with something wrong"
        f"{f', {left_out} left out' if left_out else ''}"
    )


def list_splits(section):
    """Print the split of each image of a folder, as the first columns of a landmarks.csv."""
    if section["type"] != LandmarkFolder.__name__:
        raise UserError(f"--list_splits: {section['type']} is split as it was published")
    check_arguments(LandmarkFolder, section["args"], "dataset.args", runtime=("split",))
    args, names = section["args"], ("root", "pattern", "annotation")
    given = {name: args[name] for name in names if name in args}
    listing = FolderListing(**given, with_boxes=args.get("box_margin") is not None)
    if listing.faults:
        raise UserError(f"{listing.faults[0]} (without --list_splits all faults are listed)")
    rows = ((name, listing.splits[name]) for name in sorted(listing.images))
    # Names that are not UTF-8 are printed byte for byte on any terminal.
    sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape")
    csv.writer(sys.stdout, lineterminator="\n").writerows([("file", "split"), *rows])
