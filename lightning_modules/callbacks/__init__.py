"""What happens beside training: history, checkpoints, progress, divergence."""
