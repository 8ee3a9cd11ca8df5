"""Devices and their accesses over HTTP."""
