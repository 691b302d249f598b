"""Continue a learning-rate schedule."""

from utils.errors import UserError


def resume_schedule(scheduler, state, path):
    """Load the state of a schedule from the checkpoint at ``path``; returns a warning, or None.

    A one-cycle schedule whose training has another number of steps now is stretched to these, or
    compressed. Raises ``UserError`` if the checkpoint is beyond its end, or has a schedule of
    another kind, or none.
    """
    step = state.get("last_epoch") if isinstance(state, dict) else None  # or step
    if not isinstance(step, int):
        raise UserError(f"{path}: 'scheduler' is not the state of a learning-rate schedule")
    planned, before = getattr(scheduler, "total_steps", None), state.get("total_steps")
    if planned == before:
        scheduler.load_state_dict(state)
        return None
    if None in (planned, before):
        raise UserError(
            f"{path}: its learning-rate schedule is of another kind than {type(scheduler).__name__}"
            ", which lr_scheduler names; expected the config that its training began with"
        )
    if step > planned:
        raise UserError(
            f"{path}: is at step {step} of its one-cycle schedule, but this training has {planned} "
            "steps; trainer.epochs, batch_size and the training images say how many"
        )
    scheduler.load_state_dict({"last_epoch": step - 1, "_step_count": step + 1})
    scheduler.step()
    rate = scheduler.get_last_lr()[0]
    return (
        f"the one-cycle schedule was planned for {before} steps and is for {planned} now: the "
        f"learning rate goes on at {rate:.3g}"
    )
