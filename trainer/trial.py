"""A few real steps of a training: the shapes that go through it, and what they cost."""

import inspect
import time
from dataclasses import dataclass
from itertools import islice

from torch import nn

from trainer.descriptors import CachedDescriptors
from utils.device import peak_memory_gib

NUM_STEPS = 3  # the first warms up and is not counted


@dataclass(frozen=True)
class Layer:
    """A part of a network: its name, kind, number of parameters, and the shape that it returns,
    None where it was not called.
    """

    name: str
    kind: str
    parameters: int
    shape: tuple | None


@dataclass(frozen=True)
class Trial:
    """What a few steps showed.

    layers: of the network, in order; loss_inputs: {name: shape}; loss: of the first step;
    batch_seconds: to make a batch, in the loader's processes if it has any; step_seconds: to learn
    from it; fill_seconds: of an image, where descriptors are kept; validation_seconds: of an image;
    peak_gib: the process's, or the GPU's; descriptor_bytes: of an image, where they are kept.
    """

    layers: list
    loss_inputs: dict
    loss: float
    batch_seconds: float
    step_seconds: float
    fill_seconds: float
    validation_seconds: float
    peak_gib: float
    descriptor_bytes: int


class NotedShapes:
    """A loss that notes the shapes of its tensors."""

    def __init__(self, loss):
        self.loss, self.shapes = loss, {}

    def __call__(self, *tensors, **named):
        names = inspect.signature(self.loss).parameters
        self.shapes = {n: tuple(t.shape) for n, t in {**dict(zip(names, tensors)), **named}.items()}
        return self.loss(*tensors, **named)


def try_out(trainer):
    """Take a few steps and a validation with a trainer, whose weights are of no use afterwards."""
    modules, shapes = dict(network_parts(trainer.model)), {}
    hooks = [
        module.register_forward_hook(_noting(shapes, name)) for name, module in modules.items()
    ]
    trainer.loss = NotedShapes(trainer.loss)
    fill_seconds = _fill(trainer)
    begin = time.perf_counter()
    batches = list(islice(_endless(trainer.loader), NUM_STEPS))
    batch_seconds = (time.perf_counter() - begin) / NUM_STEPS
    losses, seconds = zip(*(_step(trainer, *batch) for batch in batches))
    for hook in hooks:
        hook.remove()
    return Trial(
        layers=[_layer(name, module, shapes.get(name)) for name, module in modules.items()],
        loss_inputs=trainer.loss.shapes,
        loss=losses[0],
        batch_seconds=batch_seconds,
        step_seconds=min(seconds[1:]),
        fill_seconds=fill_seconds,
        validation_seconds=_validate(trainer),
        peak_gib=peak_memory_gib(trainer.device),
        descriptor_bytes=_descriptor_bytes(trainer.loader),
    )


def network_parts(model):
    """Yield (name, module) of the parts of a network, those of a landmark model's backbone too."""
    if isinstance(model, nn.Sequential):  # ``landmark_model``
        frozen, *others = model.named_children()
        prefix = f"{frozen[0]}.wrapped_module."
        yield from ((prefix + name, part) for name, part in network_parts(frozen[1].wrapped_module))
        yield from others
        return
    for name, child in model.named_children():
        if isinstance(child, nn.ModuleList):
            yield from ((f"{name}.{number}", part) for number, part in child.named_children())
        else:
            yield name, child


def _noting(shapes, name):
    """Return a hook that notes the shape of what a module returns first."""

    def hook(module, inputs, output):
        shapes.setdefault(name, output.shape)

    return hook


def _layer(name, module, shape):
    kind = type(module).__name__
    return Layer(name, kind, sum(p.numel() for p in module.parameters()), shape and tuple(shape))


def _fill(trainer):
    """Compute the descriptors that are kept, if any are; returns the seconds of an image."""
    if not isinstance(trainer.loader, CachedDescriptors):
        return 0.0
    begin = time.perf_counter()
    trainer.prepare()
    seconds = time.perf_counter() - begin
    sources = trainer.loader, trainer.val_source
    return seconds / sum(len(source.loader.dataset) for source in sources)


def _descriptor_bytes(loader):
    if not isinstance(loader, CachedDescriptors):
        return 0
    return loader.descriptors[0].numel() * loader.descriptors.element_size()


def _step(trainer, epoch, batch):
    """Take a step; returns its loss and its seconds."""
    trainer.model.train()
    begin = time.perf_counter()
    loss = trainer.form_gradient(batch, epoch)
    trainer.optimizer.step()
    return loss.item(), time.perf_counter() - begin  # a number on the host: the device is done


def _endless(loader):
    """Yield (epoch, batch), one epoch after the other."""
    while True:
        loader.batch_sampler.epoch += 1
        for batch in loader:
            yield loader.batch_sampler.epoch, batch


def _validate(trainer):
    """Return the seconds of an image of a validation."""
    begin = time.perf_counter()
    trainer.validate(epoch=1)
    return (time.perf_counter() - begin) / sum(map(len, validation_source(trainer).batch_sampler))


def validation_source(trainer):
    """Return what a trainer takes its validation batches from."""
    return getattr(trainer, "val_source", None) or trainer.val_loader
