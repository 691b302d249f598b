"""``trainer.compile``: networks compiled by torch while they learn."""

from contextlib import contextmanager

from utils.errors import UserError


@contextmanager
def compile_errors():
    """Tell in one line what stood in torch's way, such as a machine without a C++ compiler."""
    try:
        yield
    except RuntimeError as error:
        if not type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
            raise
        cause = str(error).partition("\n\n")[0].replace("\n", " ")  # then come hints for developers
        raise UserError(
            f"trainer.compile: torch cannot compile the network here ({cause}); it takes a C++ "
            "compiler such as g++, on a GPU Triton too: without them, leave trainer.compile out"
        ) from error
