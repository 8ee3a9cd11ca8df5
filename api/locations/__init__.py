"""Locations over HTTP."""
