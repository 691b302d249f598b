"""The campaigns of ``make soak``: each takes a folder and the options, and returns rows."""

from tests.soaking.disks import DiskCampaign, small_disk
from tests.soaking.kills import KillCampaign
from tests.soaking.processes import in_process
from tests.soaking.readers import READERS
from tests.soaking.table import Row
from tests.soaking.trainings import Training

DISKS = (60, 5000, 5500, 11_000, 16_000, 22_000)  # kB; a checkpoint takes 5,300


def kills(folder, options):
    found = KillCampaign(Training.new(folder, 10, 48), options.kills, options.seed).run()
    trainings = f"{found.trainings} training{'s' if found.trainings > 1 else ''}"
    return [Row(
        "kill -9", "`SIGKILL`: every other one inside a write (before, within, after; of config, "
        "checkpoints, results, log, events), the others at random moments; `--resume auto`",
        f"{found.killed} kills of {trainings}", found.losses,
        "final weights, optimiser and figures equal the undisturbed run's to the bit",
        found.unclear)]


def disks(folder, options):
    with small_disk(folder / "probe", 100) as place:
        if place is None:
            return [Row("full disk", "a small tmpfs", "none: mounting is not allowed", 0, "")]
    training = Training.new(folder, 5, 16)
    full, emptied, read_only = (DiskCampaign(training) for _ in range(3))
    for kilobytes in DISKS:
        full.fill(folder / f"disk-{kilobytes}", kilobytes)
    emptied.fill_for_a_while(folder / "disk-emptied")
    read_only.refuse(folder / "disk-read-only")
    end = "the end is the undisturbed run's"
    return [
        Row("full disk", f"tmpfs of {DISKS[0]} to {DISKS[-1]} kB, made larger afterwards",
            f"{full.runs} runs", full.losses,
            f"{full.failed_clearly} ended with one line and exit code 2; resumed, {end}",
            full.unclear),
        Row("disk full for a while", "a tmpfs is filled after epoch 1, emptied after epoch 3",
            f"{emptied.runs} run", emptied.losses, f"the training goes on; {end}",
            emptied.unclear),
        Row("read-only disk", "a tmpfs mounted read-only", f"{read_only.runs} run",
            read_only.losses, "one line and exit code 2", read_only.unclear)]


def hostile(folder, options):
    found = in_process("tests.soaking.hostile", options.files // 6, options.seed, folder=folder)
    missed = [] if found.get("named_refused") else ["an attack was not refused"]
    return [Row(
        "hostile checkpoints",
        "both file formats, pickle protocols 2 to 5: calls, builds, memo and persistent-id tricks, "
        "random programs; cut, a bit flipped",
        f"{found['tried']} files", found.get("ran", 1),
        f"nothing ran; {found['refused']} refused, the others held weights",
        found["unclear"] + missed)]


def readers(folder, options):
    rows = []
    for number, name in enumerate(READERS):
        place = folder / str(number)
        place.mkdir()
        found = in_process("tests.soaking.fuzzing", name, options.files, options.seed + number,
                           folder=place)
        rows.append(Row(
            f"damaged file: {name}", "hypothesis: edited, bits flipped, cut short",
            f"{found['tried']} files", 0,
            f"{found['refused']} refused in one line, the others read", found["unclear"]))
    return rows


CAMPAIGNS = {campaign.__name__: campaign for campaign in (kills, disks, hostile, readers)}
