"""Write the configs of the 111 published experiments, from the templates in configs/templates/, and
those of the likelihood recipe beside them.

    python misc/generate_configs.py            # write what differs
    python misc/generate_configs.py --check    # write nothing; exit code 2 if anything differs

A template is the config of a family of experiments, with a slot, "{name}", for each value that
varies. ``slots.json`` has the values of each backbone, dimension, data set and recipe, later ones
overriding earlier ones; null omits the key. Values of a single experiment are filled in here: the
dimension, the loss with or without DVE, the checkpoint to start from and the number of annotations.

The recipe "likelihood" has configs of embeddings with DVE and 64 dimensions on CelebA, and of
landmarks on these. Nothing of it is published, so a landmark config starts from ``--resume``.
"""

import json
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the project's packages

from misc.published import (
    CONFIGS,
    SAVED,
    checkpoint_path,
    config_path,
    load_experiments,
    starts_from,
)
from utils.cli import make_parser, parse_path, run_program
from utils.errors import UserError

TEMPLATES = CONFIGS / "templates"
LIKELIHOOD = "likelihood"
LOSSES = {"published": "dense_correlation_loss", LIKELIHOOD: "dense_likelihood_loss"}
SLOT = re.compile(r"\{(\w+)\}")
INDENT, LINE_LENGTH = 4, 100


def family(facts):
    """Return the name of the template of an experiment's family."""
    task = "landmarks" if facts["task"] == "keypoints" else facts["task"]
    return "few_annotations" if "annotations" in facts else task


def fill_slots(template, values):
    """Return a template with its slots, and those of their values, filled; members that become null
    are left out.
    """
    if isinstance(template, dict):
        filled = {key: fill_slots(part, values) for key, part in template.items()}
        return {key: part for key, part in filled.items() if part is not None}
    slot = SLOT.fullmatch(template) if isinstance(template, str) else None
    if slot is None:
        return template
    if slot[1] not in values:
        known = ", ".join(sorted(values))
        raise UserError(f"no value for the slot {template}, expected one of: {known}")
    return fill_slots(values[slot[1]], values)


def layout(value, indent=0, used=0):
    """Return plain data as JSON text. An object longer than a line is broken up: its members share
    lines if all are simple, else each has its own.

    indent: of the line that the value is on; used: number of characters before it on that line
    """
    line = json.dumps(value)
    if not isinstance(value, dict) or indent + used + len(line) < LINE_LENGTH:
        return line
    inner = indent + INDENT
    members = [
        f"{json.dumps(name)}: {layout(part, inner, len(json.dumps(name)) + 2)}"
        for name, part in value.items()
    ]
    nested = any(isinstance(part, dict) for part in value.values())
    lines = members if nested else _packed(members, LINE_LENGTH - inner - 1)
    body = ",\n".join(" " * inner + text for text in lines)
    return "{\n" + body + "\n" + " " * indent + "}"


def _packed(members, width):
    lines = members[:1]
    for member in members[1:]:
        if len(lines[-1]) + len(f", {member}") <= width:
            lines[-1] += f", {member}"
        else:
            lines.append(member)
    return lines


def generate():
    """Return {path below configs/: text} of all published experiments, and by the likelihood."""
    texts = {}
    for name, facts in load_experiments().items():
        path = config_path(name, facts)
        texts[path] = config_text(facts, "published")
        if facts["dve"] and facts["dim"] == 64 and not facts["finetuned"]:
            path = path.with_stem(f"{path.stem}-{LIKELIHOOD}")
            texts[path] = config_text(facts, LIKELIHOOD)
    return texts


def config_text(facts, recipe):
    """Return the config of an experiment by a recipe of ``slots.json``."""
    slots, start = _read_template("slots"), starts_from(facts)
    values = {
        **slots["backbones"][facts["backbone"]],
        **slots["dimensions"].get(str(facts["dim"]), {}),
        **slots["datasets"][facts["dataset"]],
        **slots["recipes"][recipe],
        "dim": facts["dim"],
        "loss": LOSSES[recipe] + ("_dve" if facts["dve"] else ""),
        "finetune_from": None,
        "annotations": facts.get("annotations"),
    }
    if start and recipe == "published":
        checkpoint = checkpoint_path(start, load_experiments()[start])
        values["finetune_from"] = f"{SAVED}/{checkpoint}"
    return layout(fill_slots(_read_template(family(facts)), values)) + "\n"


def _read_template(name):
    return json.loads((TEMPLATES / f"{name}.json").read_text())


def main(argv=None):
    parser = make_parser(__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, say what differs")
    parser.add_argument(
        "--into", type=parse_path, default=CONFIGS, metavar="FOLDER",
        help="default: the project's own",
    )
    args = parser.parse_args(argv)
    texts = {args.into / path: text for path, text in generate().items()}
    stale = [p for p, text in texts.items() if not p.is_file() or p.read_text() != text]
    if args.check and stale:
        raise UserError(
            f"{len(stale)} of {len(texts)} configs are not as generated, {stale[0]} for one; "
            "change configs/templates/ and run misc/generate_configs.py"
        )
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(texts[path])
    print(f"{len(texts)} configs, {len(stale)} written")


if __name__ == "__main__":
    sys.exit(run_program(main))
