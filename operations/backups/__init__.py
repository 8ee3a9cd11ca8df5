"""Backups of the whole database: a folder with its rows, and with what a restored one is compared to."""
