"""Tools that run beside the receivers, on this machine only."""
