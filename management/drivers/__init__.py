"""What each maker's devices understand. No driver knows Django."""
