"""The Triton kernels of the dense losses, compiled for GPUs that need not be there: registers, and
accesses to local memory, where registers that do not fit are spilled.
"""

import re
import subprocess
import tempfile
from functools import partial
from pathlib import Path

from misc.benchmarking.measuring import markdown_table

CAPABILITIES = (75, 80, 86, 89, 90, 100, 120)
CHANNELS = (3, 16, 32, 48, 64, 128)
TENSORS = {"a", "b", "warped", "expected", "lse", "weight", "grad"}
LOSSES = {
    "expected distance": {"POW": 0.5, "SIGMA": 0.0},
    "likelihood": {"POW": 0.0, "SIGMA": 4.5},
}


def compile_kernel(kernel, capability, channels, objective):
    """Return registers, and loads and stores of local memory, of a kernel for an NVIDIA GPU.

    capability: 80 for compute capability 8.0.
    objective: values of POW and SIGMA.
    """
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from model.fused_loss import block_sizes

    blocks, num_warps = block_sizes(channels)
    constants = {**objective, "C": channels, **blocks}
    names = kernel.arg_names
    signature = dict.fromkeys(names, "i32") | dict.fromkeys(constants, "constexpr")
    signature.update({name: "*fp32" for name in names if name in TENSORS})
    aligned = {(i,): [["tt.divisibility", 16]] for i, name in enumerate(names) if name in TENSORS}
    values = {(names.index(name),): value for name, value in constants.items()}
    source = ASTSource(kernel, {name: signature[name] for name in names}, values, aligned)
    target = GPUTarget("cuda", capability, warp_size=32)
    binary = triton.compile(source, target=target, options={"num_warps": num_warps}).asm["cubin"]
    tools = Path(triton.__file__).parent / "backends" / "nvidia" / "bin"
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(binary)
        file.flush()
        usage = _output(tools / "cuobjdump", "-res-usage", file.name)
        code = _output(tools / "nvdisasm", "-c", file.name)
    return {
        "registers": int(re.search(r"REG:(\d+)", usage)[1]),
        "spills": len(re.findall(r"\b(?:LDL|STL)\b", code)),
    }


def _output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


class KernelSubject:
    """A section of the benchmark that times nothing; see ``misc.benchmarking.subject.Subject``."""

    title = "The Triton kernels of the losses, compiled for GPUs by their compute capability"
    note = (
        "Registers of a thread for forward, gradient of a, gradient of b; after a +, the places in "
        "the code that load or store what did not fit. 255 registers is the most there are."
    )
    ratios, peaks, plain = (), {}, ()
    variants = {
        f"{name}, {channels}-d": partial(dict, objective=objective, channels=channels)
        for name, objective in LOSSES.items()
        for channels in CHANNELS
    }

    def variants_on(self, device):
        """Return the names of the variants; none of them takes a device."""
        return list(self.variants)

    def measure(self, variant, min_seconds, device):
        """Return {capability: results of ``compile_kernel`` for the three kernels}."""
        from model.fused_kernels import backward_a, backward_b, forward

        return {
            str(capability): [
                compile_kernel(kernel, capability, **self.variants[variant]())
                for kernel in (forward, backward_a, backward_b)
            ]
            for capability in CAPABILITIES
        }

    def table(self, results):
        """Return {variant: result of ``measure``} as Markdown."""
        rows = [
            [variant, *(", ".join(map(_cell, result[str(c)])) for c in CAPABILITIES)]
            for variant, result in results.items()
        ]
        return markdown_table(["", *(f"{c // 10}.{c % 10}" for c in CAPABILITIES)], rows)


def _cell(kernel):
    return f"{kernel['registers']}" + (f"+{kernel['spills']}" if kernel["spills"] else "")


SUBJECT = KernelSubject()
