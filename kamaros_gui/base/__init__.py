"""What every layer may lean on: errors, abort, progress, settings, limits."""
