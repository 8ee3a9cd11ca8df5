#!/usr/bin/env python
"""The command line of the service: migrate, createsuperuser, seed_demo and Django's own commands."""

import os
import sys

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "redirect.settings")
    os.environ.setdefault("DATABASE_DEADLINES", "off")  # a migration may take its time; nobody waits for an answer
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
