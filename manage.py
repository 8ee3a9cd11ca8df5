#!/usr/bin/env python
"""The command line of the service: migrate, createsuperuser, seed_demo and Django's own commands."""

import sys

from redirect.command_line import manage

if __name__ == "__main__":
    manage(sys.argv)
