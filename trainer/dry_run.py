"""``--dry_run``: build a training, time a few steps, and print its plan; nothing is written."""

import inspect
import time
from dataclasses import replace
from itertools import count, islice

import torch
from torch import nn
from torch.utils._pytree import tree_leaves

from base.checkpoint_keeper import BEST
from base.precision import precision_line
from data_loader.cache import num_keypts
from data_loader.folder_listing import shared_listings
from model.keypoint_regressor import FrozenBackbone
from trainer.datasets import final_test_set
from trainer.descriptors import CachedDescriptors, LiveDescriptors
from trainer.evaluation.results import evaluate
from trainer.resume import StartingPoint
from trainer.training import build_trainer
from utils.checkpoint.find import checkpoint_name
from utils.config.mini_run import MINI, Limits
from utils.config.read import errors_of
from utils.device import fast_or_repeatable, peak_memory_gib
from utils.disk import size_text
from utils.distributed import World
from utils.progress import bars_hidden, clock
from utils.run import Run
from utils.run_folder import RunFolder
from utils.text import counted

NUM_STEPS = 3  # timed, the first one, which is slower, excepted
TRIAL_IMAGES = 64  # at least, for training; and for the evaluation


def dry_run(config, resume=None, seeds=None, world=World()):
    """Print what ``train_seeds`` would do with the same arguments: data, networks, time, memory."""
    start = StartingPoint.read(config, resume, seeds, world)
    folder = world.agreed(start.folder(config, RunFolder.next))
    folders = [folder.for_seed(seed) for seed in seeds] if seeds else [folder]
    hidden = config.trainer.verbosity < 1 or not world.is_main
    images = max(NUM_STEPS * config.batch_size, TRIAL_IMAGES)
    limits = MINI if config.limits is MINI else Limits(images, TRIAL_IMAGES)
    with errors_of(config), bars_hidden(hidden), fast_or_repeatable(config.deterministic):
        # Without a cache, which would decode every image, or write to the disk.
        few = replace(config, cache="off", limits=limits).with_seed(start.seed(config))
        run = Run(folder, few, world)
        with shared_listings():
            test_set = final_test_set(few, run)
            torch.manual_seed(few.seed)
            trainer = build_trainer(few, start, run)
        shapes, loss, seconds = measure(trainer, test_set)
        if not world.is_main:
            return
        sizes = sizes_of(config, trainer, test_set)
        sections = (
            [*start.describe(config), *config.notes],
            data_lines(trainer, test_set, sizes),
            network_lines(config, trainer, shapes, loss),
            time_lines(config, trainer, sizes, seconds, len(folders)),
            memory_lines(config, trainer, sizes),
            [*file_lines(config, trainer, test_set, folders), "nothing was written"],
        )
        print("\n\n".join(map("\n".join, sections)))


def measure(trainer, test_set):
    """Take a few steps, which change the trainer's weights, validate and evaluate.

    Returns {part of the network, or input of the loss: shape}, the loss of the first step, and
    seconds, {"batch": to load a batch, "step": to learn from it, "fill": to compute cached
    descriptors of an image, "val": to validate an image, "test": to evaluate one}.
    """
    shapes, compute_loss = {}, trainer.loss

    def note(name, value):
        shapes.setdefault(name, tuple(value.shape))

    def noting_loss(*args, **named):
        for name, value in zip(inspect.signature(compute_loss).parameters, args):
            note(name, value)
        return compute_loss(*args, **named)

    hooks = [
        module.register_forward_hook(lambda *io, name=name: note(name, io[-1]))
        for name, module in network_parts(trainer.model)
    ]
    trainer.loss = noting_loss
    fill, _ = timed(trainer.prepare)
    cached = isinstance(trainer.loader, CachedDescriptors)
    num_filled = len(trainer.loader.dataset) + len(trainer.val_loader.dataset)
    batch, taken = timed(lambda: list(islice(epochs_of(trainer.loader), NUM_STEPS)))
    trainer.model.train()
    steps = [timed(lambda: trainer.optimise(batch, epoch)) for epoch, batch in taken]
    for hook in hooks:
        hook.remove()
    val, _ = timed(lambda: trainer.validate(epoch=1))
    seconds = {
        "batch": batch / NUM_STEPS,
        "step": min(seconds for seconds, _ in steps[1:]),
        "fill": fill / num_filled if cached else 0.0,
        "val": val / sum(map(len, trainer.val_loader.batch_sampler)),
        "test": 0.0,
    }
    if test_set is not None:
        arguments = trainer.model, trainer.run.config, test_set, trainer.device
        test, results = timed(lambda: evaluate(*arguments))
        seconds["test"] = test / results.num_images
    return shapes, steps[0][1], seconds


def epochs_of(loader):
    """Yield (epoch, batch) of all epochs, from the first on."""
    for epoch in count(1):
        loader.batch_sampler.set_epoch(epoch)
        yield from ((epoch, batch) for batch in loader)


def timed(function):
    """Return the seconds that a call takes, and its result, a tensor as a number."""
    begin = time.perf_counter()
    result = function()
    result = result.item() if isinstance(result, torch.Tensor) else result  # waits for the device
    return time.perf_counter() - begin, result


def network_parts(model, prefix=""):
    """Yield (name, module) of the children of a network, and of those of lists and backbones."""
    for name, child in model.named_children():
        if isinstance(child, (FrozenBackbone, nn.ModuleList)) or isinstance(model, FrozenBackbone):
            yield from network_parts(child, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", child


def innermost(samples):
    """Return the data set that a loader or other data sets wrap."""
    while hasattr(samples, "dataset"):
        samples = samples.dataset
    return samples


def sizes_of(config, trainer, test_set):
    """Return numbers: images of each split, images of a batch, steps of an epoch, epochs left.

    The loaders hold the first images of the whole data sets, which are their ``dataset``.
    """
    limits = config.limits
    wholes = len(trainer.loader.dataset.dataset), len(trainer.val_loader.dataset.dataset)
    train, val = (min(number, limits.images or number) for number in wholes)
    test = 0 if test_set is None else min(len(test_set), limits.evaluation_images or len(test_set))
    batch = trainer.loader.batch_sampler.batch_size
    epochs = max(0, config.trainer.epochs - trainer.last_epoch)
    return dict(train=train, val=val, test=test, batch=batch, steps=train // batch, epochs=epochs)


def data_lines(trainer, test_set, sizes):
    dataset, run = innermost(trainer.loader), trainer.run
    S, side = dataset.imwidth, dataset.imwidth - 2 * dataset.crop
    test = "no landmarks: no figures at the end"
    if test_set is not None:
        test = f"{counted(sizes['test'], 'image')} of {type(test_set).__name__}"
    rest = f", {left} left over" if (left := sizes["train"] % sizes["batch"]) else ""
    lines = [
        *run.remarks,
        *(f"beware: {warning}" for warning in run.warnings),
        *(f"partial: {note}" for note in run.partial),
        *(f"{split:6} {counted(sizes[split], 'image')}" for split in ("train", "val")),
        f"test   {test}",
        f"an epoch: {counted(sizes['steps'], 'step')} of {sizes['batch']}{rest}",
    ]
    head = f"{type(dataset).__name__}: images of {S}x{S}, cropped to {side}x{side}"
    return [head, *(f"  {line}" for line in lines)]


def network_lines(config, trainer, shapes, loss):
    shapes = {name: " x ".join(map(str, shape)) or "a number" for name, shape in shapes.items()}
    sizes = [(p.numel(), p.requires_grad) for p in trainer.model.parameters()]
    total, learning = sum(n for n, _ in sizes), sum(n for n, learns in sizes if learns)
    rows = [("part", "kind", "returns", "parameters")]
    for name, module in network_parts(trainer.model):
        size = sum(p.numel() for p in module.parameters())
        shape = shapes.pop(name, "not called")
        rows.append((name, type(module).__name__, shape, f"{size:,}"))
    widths = [max(map(len, column)) for column in zip(*rows)]
    optimizer, rate = type(trainer.optimizer).__name__, trainer.optimizer.param_groups[0]["lr"]
    schedule = config.lr_scheduler["type"] if config.lr_scheduler else "none"
    return [
        f"network: {total:,} parameters, of which {learning:,} learn",
        *("  " + "  ".join(map(str.ljust, row, widths)).rstrip() for row in rows),
        f"\nloss: {config.loss} = {loss:.4g} at the first step",
        *(f"  {name:9} {shape}" for name, shape in shapes.items()),  # its inputs
        f"optimizer: {optimizer}, rate {rate:g}; schedule: {schedule}",
    ]


def time_lines(config, trainer, sizes, seconds, num_seeds):
    """Return lines about time; with a cache, later epochs are faster than the first one."""
    batch, step = seconds["batch"], seconds["step"]
    live = isinstance(trainer.loader, LiveDescriptors)
    pace = max(batch, step) if trainer.loader.num_workers and not live else batch + step
    later_pace = pace if config.cache == "off" or live else step
    validation = sizes["val"] * seconds["val"] / trainer.world.size
    first, later = (sizes["steps"] * s + validation for s in (pace, later_pace))
    once = (sizes["train"] + sizes["val"]) * seconds["fill"]
    evaluation = sizes["test"] * seconds["test"]
    epochs = first + (sizes["epochs"] - 1) * later if sizes["epochs"] else 0
    total = clock(num_seeds * (epochs + once + evaluation))
    each = f" for each of {num_seeds} seeds" if num_seeds > 1 else ""
    return [
        f"time, on {trainer.device}, from {NUM_STEPS} steps:",
        f"  a batch      {batch:.3g} s",
        f"  a step       {step:.3g} s",
        *([f"  descriptors  {clock(once)}, once"] if once else []),
        f"  an epoch     {clock(later)}, of which validation {clock(validation)}",
        f"  evaluation   {clock(evaluation)}",
        f"  together     {total}, {counted(sizes['epochs'], 'epoch')}{each}",
        f"  precision    {precision_line(config.trainer.precision, trainer.device)}",
    ]


def memory_lines(config, trainer, sizes):
    lines = [f"memory: {peak_memory_gib(trainer.device):.2f} GiB at most in these steps"]
    if config.cache != "off":
        sets = map(innermost, (trainer.loader, trainer.val_loader))
        kept = sum(len(data) * (3 * data.imwidth**2 + 8 * num_keypts(data)) for data in sets)
        lines.append(f"  images kept ({config.cache}): {size_text(kept)}")
    if isinstance(trainer.loader, CachedDescriptors):
        size = trainer.loader.descriptors[0].nbytes * (sizes["train"] + sizes["val"])
        lines.append(f"  descriptors kept: {size_text(size)}")
    return lines


def file_lines(config, trainer, test_set, folders):
    options, last = config.trainer, max(trainer.last_epoch, config.trainer.epochs)
    state = trainer.model.state_dict(), trainer.optimizer.state_dict()
    size = sum(leaf.nbytes for leaf in tree_leaves(state) if isinstance(leaf, torch.Tensor))
    saved = -(-last // options.save_period) - trainer.last_epoch // options.save_period
    if options.keep_last or options.keep_best:
        saved = min(saved, max(options.keep_last or 0, 1) + (options.keep_best or 0))
    each = " each" if len(folders) > 1 else ""
    lines = [f"files: {saved + 1} checkpoints{each}, of about {size_text(size)}"]  # with the best
    names = ["config.json", checkpoint_name(last), BEST] + ["results.json"] * (test_set is not None)
    logs = ["info.log"] + ["pictures"] * bool(trainer.pictures)
    logs += ["TensorBoard events"] * options.tensorboardX
    for folder in folders:
        lines.append(f"  {folder.model_dir}: {', '.join(names)}")
        lines.append(f"  {folder.log_dir}: {', '.join(logs)}")
    return lines
