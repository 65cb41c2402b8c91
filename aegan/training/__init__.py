"""How a model learns: losses, the five steps, the schedule, lanes, checkpoints."""
