"""What operators meet: health, housekeeping, demo data, imports by command."""
