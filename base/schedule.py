"""Continue a learning-rate schedule."""

from utils.errors import UserError


def resume_schedule(scheduler, checkpoint, path):
    """Load the state of a schedule from the checkpoint at ``path``; returns a warning, or None.

    A one-cycle schedule whose training has another number of steps now is stretched to these, or
    compressed. Raises ``UserError`` if the checkpoint is beyond its end, or was written with a
    schedule of another kind.

    scheduler: None without a schedule.
    """
    section = checkpoint["config"].get("lr_scheduler")
    before = section["type"] if section else "none"
    now = "none" if scheduler is None else type(scheduler).__name__
    if before != now:
        raise UserError(
            f"{path}: its learning-rate schedule is {before}, that of lr_scheduler is {now}; "
            "expected the config that its training began with"
        )
    if scheduler is None:
        return None
    state = checkpoint["scheduler"]
    step = state.get("last_epoch") if isinstance(state, dict) else None  # or step
    if not isinstance(step, int):
        raise UserError(f"{path}: 'scheduler' is not the state of a learning-rate schedule")
    planned, begun = getattr(scheduler, "total_steps", None), state.get("total_steps")
    if planned == begun:
        scheduler.load_state_dict(state)
        return None
    if step > planned:
        raise UserError(
            f"{path}: is at step {step} of its one-cycle schedule, but this training has {planned} "
            "steps; trainer.epochs, batch_size and the training images say how many"
        )
    scheduler.load_state_dict({"last_epoch": step - 1, "_step_count": step + 1})
    scheduler.step()
    rate = scheduler.get_last_lr()[0]
    return (
        f"the one-cycle schedule was planned for {begun} steps and is for {planned} now: the "
        f"learning rate goes on at {rate:.3g}"
    )
