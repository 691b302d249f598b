"""Objects that act when they are unpickled."""

import builtins
import os
import pickle
import subprocess
from collections import OrderedDict

import torch

from tests.data_helpers.raw_checkpoints import Call


class Evil:
    """A class of the victim's own program, with a method that unpickling would call."""

    def __setstate__(self, state):
        raise SystemExit("it ran")

    def __getstate__(self):
        return {"some": "state"}


def hostile_objects(marker):
    """Return {name: (object, what the message names)}; those that run make the file ``marker``."""
    code = f"open({str(marker)!r}, 'w')"
    return {
        "os.system": (Call(os.system, f"touch {marker}"), "system"),
        "eval": (Call(builtins.eval, code), "eval"),
        "exec": (Call(builtins.exec, code), "exec"),
        "open": (Call(open, str(marker), "w"), "open"),
        "subprocess": (Call(subprocess.check_call, ["touch", str(marker)]), "check_call"),
        "getattr": (Call(Call(getattr, Call(__import__, "os"), "system"), f"touch {marker}"),
                    "getattr"),
        "getattr of harmless": (Call(getattr, OrderedDict, "fromkeys"), "getattr"),
        "torch.load": (Call(torch.load, str(marker)), "torch.serialization.load"),
        "storage bytes": (Call(torch.storage._load_from_bytes, pickle.dumps(Call(os.system, code))),
                          "_load_from_bytes"),
        "own class": (Evil(), "Evil"),
        "bytearray": (Call(bytearray, 10 ** 12), "bytearray"),
    }
