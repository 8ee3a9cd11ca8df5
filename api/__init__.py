"""What an integrator meets: /api/v1."""
