"""Spreadsheets of devices: read, checked row by row, written all or nothing."""
