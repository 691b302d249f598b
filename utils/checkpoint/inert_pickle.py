"""Read a pickle as data, without importing or calling anything that it names.

A pickle is a program for a small stack machine that can import and call anything. The machine here
knows only the instructions that ``torch.save`` uses, and leaves a placeholder instead of a call.
(``torch.load(weights_only=True)`` needs every foreign class by name, and crashes on a key of a
million nested tuples, which it hashes recursively.)
"""

import pickletools
from dataclasses import dataclass, field

LITERALS = {"BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE",
            "BINBYTES", "SHORT_BINBYTES"}
CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
PLAIN_KEYS = {str, int, float, bool, bytes, type(None)}  # hashing them calls nothing
SHOWN_NAME_LENGTH = 80


class UnreadablePickle(Exception):
    """A pickle that is damaged, or does more than a checkpoint of weights needs."""


@dataclass(frozen=True)
class Global:
    """The name ``module.name`` of an object that the pickle refers to."""

    name: str


@dataclass(frozen=True)
class Foreign:
    """Placeholder of an object: the name of its class, and the attributes that the pickle sets."""

    name: str
    attributes: dict = field(default_factory=dict, compare=False)


def read_pickle(file, constructors, is_harmless, persistent_load=None):
    """Return the content of the pickle in a binary file, which is read to the pickle's end only.

    Raises ``UnreadablePickle``; a damaged file can raise any other exception.

    constructors: {name: function to call in place of the named one}.
    is_harmless: callable (name) -> whether its objects become ``Foreign``; other names are refused.
    persistent_load: callable (id) -> object, for objects stored outside the pickle.
    """
    machine = _Machine(constructors, is_harmless, persistent_load)
    for opcode, argument, _ in pickletools.genops(file):
        if opcode.name != "STOP":
            machine.step(opcode.name, argument)
    return machine.stack.pop()


class _Machine:
    """The pickle machine; the method ``op_x`` executes the instruction X with its argument."""

    def __init__(self, constructors, is_harmless, persistent_load):
        self.constructors, self.is_harmless = constructors, is_harmless
        self.persistent_load = persistent_load
        self.stack, self.outer_stacks, self.memo = [], [], {}

    def step(self, name, argument):
        if name in LITERALS:
            self.stack.append(argument)
        elif name in CONSTANTS:
            self.stack.append(CONSTANTS[name])
        else:
            getattr(self, f"op_{name.lower()}", self.refuse)(argument)

    def refuse(self, argument):
        raise UnreadablePickle("it uses an instruction that no checkpoint of weights needs")

    def pop_to_mark(self):
        items, self.stack = self.stack, self.outer_stacks.pop()
        return items

    def op_proto(self, version):
        """Do nothing: versions differ only in the instructions that they use."""

    op_frame = op_proto

    def op_mark(self, _):
        self.outer_stacks.append(self.stack)
        self.stack = []

    def op_binput(self, index):
        self.memo[index] = self.stack[-1]

    op_long_binput = op_binput

    def op_memoize(self, _):
        self.memo[len(self.memo)] = self.stack[-1]

    def op_binget(self, index):
        self.stack.append(self.memo[index])

    op_long_binget = op_binget

    def op_empty_list(self, _):
        self.stack.append([])

    def op_empty_dict(self, _):
        self.stack.append({})

    def op_tuple(self, _):
        items = tuple(self.pop_to_mark())
        self.stack.append(items)

    def op_tuple1(self, _):
        self.stack[-1:] = [tuple(self.stack[-1:])]

    def op_tuple2(self, _):
        self.stack[-2:] = [tuple(self.stack[-2:])]

    def op_tuple3(self, _):
        self.stack[-3:] = [tuple(self.stack[-3:])]

    def op_append(self, _):
        self.extend([self.stack.pop()])

    def op_appends(self, _):
        self.extend(self.pop_to_mark())

    def op_setitem(self, _):
        value, key = self.stack.pop(), self.stack.pop()
        self.update([key, value])

    def op_setitems(self, _):
        self.update(self.pop_to_mark())

    def extend(self, items):
        target = self.stack[-1]
        if type(target) is list:
            target.extend(items)
        elif type(target) is not Foreign:
            raise UnreadablePickle("it appends to what is not a list")

    def update(self, items):
        target = self.stack[-1]
        if type(target) is Foreign:
            return
        if type(target) is not dict:
            raise UnreadablePickle("it sets a key of what is not a dictionary")
        for key, value in zip(items[::2], items[1::2], strict=True):
            if type(key) not in PLAIN_KEYS:
                raise UnreadablePickle("a key of a dictionary is not a plain value")
            target[key] = value

    def op_global(self, argument):
        self.name_global(*argument.split(" ", 1))

    def op_stack_global(self, _):
        name, module = self.stack.pop(), self.stack.pop()
        self.name_global(module, name)

    def name_global(self, module, name):
        full_name = f"{module}.{name}" if type(module) is type(name) is str else "nothing"
        if full_name not in self.constructors and not self.is_harmless(full_name):
            shown = repr(full_name[:SHOWN_NAME_LENGTH])
            raise UnreadablePickle(f"it names {shown}, which weights do not need")
        self.stack.append(Global(full_name))

    def op_reduce(self, _):
        arguments, target = self.stack.pop(), self.stack.pop()
        if type(target) is not Global or type(arguments) is not tuple:
            raise UnreadablePickle("it calls what is not a function")
        build = self.constructors.get(target.name)
        self.stack.append(build(*arguments) if build else Foreign(target.name))

    op_newobj = op_reduce

    def op_build(self, _):
        """Store the attributes of a ``Foreign``; drop those of an OrderedDict."""
        attributes, target = self.stack.pop(), self.stack[-1]
        if type(target) not in (Foreign, dict):
            raise UnreadablePickle("it sets attributes of what has none")
        if type(target) is Foreign and type(attributes) is dict:
            target.attributes.update(attributes)

    def op_binpersid(self, _):
        if self.persistent_load is None:
            raise UnreadablePickle("it refers to tensors where none can be")
        self.stack.append(self.persistent_load(self.stack.pop()))
