"""Campaigns in a process of their own, so that one that takes the process down is noticed."""

import json
import subprocess
import sys
from pathlib import Path

from tests.data_helpers.tiny_runs import ENVIRONMENT, ROOT

LAST_INPUT = "last-input"  # the file that a campaign is about to read, in its folder


def in_process(module, *arguments, folder):
    """Return what a campaign prints, as JSON: {"tried", "refused", "unclear": [messages], ...}.

    A process that dies of a file counts as one unclear answer.
    """
    command = [sys.executable, "-m", module, *map(str, arguments), str(folder)]
    done = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True)
    if done.returncode == 0 and done.stdout:
        return json.loads(done.stdout)
    ended = f"the process ended with {done.returncode}; its last file: {folder / LAST_INPUT}"
    return {"tried": 1, "refused": 0, "unclear": [f"{ended}\n{done.stderr[-2000:]}"]}


def arguments():
    """Return what ``in_process`` gave: (texts, folder)."""
    *texts, folder = sys.argv[1:]
    return texts, Path(folder)


class Answers:
    """What a reader says to damaged files: each must be read, or refused in one clear line."""

    def __init__(self, folder, read, error_class):
        self.folder, self.read, self.error_class = folder, read, error_class
        self.found = {"tried": 0, "refused": 0, "unclear": []}

    def ask(self, path, content=None):
        """Let the reader read a file, once ``content`` is written to it."""
        if content is not None:
            path.write_bytes(content)
            (self.folder / LAST_INPUT).write_bytes(content)
        self.found["tried"] += 1
        try:
            self.read(path)
        except self.error_class as error:
            self.found["refused"] += 1
            if "\n" in str(error) or path.name not in str(error):
                self.found["unclear"].append(str(error))
        except Exception as error:
            self.found["unclear"].append(f"{type(error).__name__}: {error}")
