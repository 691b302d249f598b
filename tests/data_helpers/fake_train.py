"""Stands in for train.py: takes its arguments and leaves what it leaves, at once.

``behaviour.json`` beside the journal says more. Lists of run names: "fail", with exit code 3;
"hang", until stopped; "leave nothing". "meet": how many must have started before any goes on.
"""

import json
import os
import sys
import time
from pathlib import Path

PLACE = Path(os.environ["FAKE_TRAIN"])
DEADLINE = 10  # seconds


def arguments():
    """Return the options, {"config": ..., "set": [...], ...}."""
    given, words = {"set": []}, iter(sys.argv[1:])
    for word in words:
        if word == "--mini_train":
            given["mini_train"] = True
        elif word == "--set":
            given["set"].append(next(words))
        else:
            given[word.removeprefix("--")] = next(words)
    return given


def note(event, name, given):
    """Add a line to the journal."""
    with open(PLACE / "journal", "a") as journal:
        journal.write(json.dumps([event, name, given]) + "\n")


def configured(given):
    """Return the config with its overrides."""
    config = json.loads(Path(given["config"]).read_text())
    for override in given["set"]:
        path, _, text = override.partition("=")
        *sections, last = path.split(".")
        section = config
        for key in sections:
            section = section[key]
        section[last] = text if last == "save_dir" else json.loads(text)
    return config


def leave_files(config, name, given):
    """Write config.json, the last checkpoint and results.json where a training does."""
    start, seed = Path(given.get("resume", "")), given.get("seeds", "0")
    if f"/{name}/" in str(start):
        folder, seed = start.parent, start.parent.name.partition("seed-")[2] or seed
    else:
        folder = Path(config["trainer"]["save_dir"], "models", name, f"{time.time_ns()}")
        folder = folder / f"seed-{seed}" if "seeds" in given else folder
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps({**config, "seed": int(seed)}))
    epochs = 1 if given.get("mini_train") else config["trainer"]["epochs"]
    (folder / f"checkpoint-epoch{epochs}.pth").write_text("weights")
    figures = {"same_identity_px": 1, "different_identity_px": 2, "inter_ocular_error_pct": 3}
    (folder / "results.json").write_text(json.dumps({**figures, "seed": int(seed)}))


def main():
    given = arguments()
    config = configured(given)
    path = Path(given["config"]).resolve()
    name = f"{path.parent.name}-{path.stem}"
    behaviour = json.loads((PLACE / "behaviour.json").read_text())
    note("start", name, given)
    print(f"training {name}")
    deadline = time.monotonic() + DEADLINE
    while name in behaviour.get("hang", []) and time.monotonic() < deadline:
        time.sleep(0.02)
    while (PLACE / "journal").read_text().count('"start"') < behaviour.get("meet", 0):
        if time.monotonic() > deadline:
            sys.exit("waited in vain for another training to start")
        time.sleep(0.02)
    if name in behaviour.get("fail", []):
        print("error: made to fail", file=sys.stderr)
        sys.exit(3)
    if name not in behaviour.get("leave nothing", []):
        leave_files(config, name, given)
    note("end", name, given)


if __name__ == "__main__":
    main()
