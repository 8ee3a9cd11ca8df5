"""Commands of manage.py that run beside phones, on one machine with them: phones come first.

This is called before Django is loaded, which takes seconds of a processor. So it loads nothing itself.
"""

import contextlib
import os

NICENESS = 10
BACKGROUND = ("run_jobs", "housekeeping", "import_devices", "refresh_endpoints", "backup", "check_counters")
IDLE = ("refresh_endpoints",)
"""What runs while a processor has nothing else to do, and hardly at all on a machine that is never at rest: only
what holds nothing that a request may wait for can be that. On SQLite no command is, as each write keeps all others
waiting.
"""


def let_phones_come_first(command: str) -> None:
    """Give this process a lower priority than the service has, if the command of manage.py is one of BACKGROUND.

    It counts within a unit of systemd, a container or a session (sched(7), "The autogroup feature"). So
    deploy/systemd and docker-compose.yml say the same of the whole; units forbid it to the process, which then
    stays as it is. The settings must be named in the environment (DJANGO_SETTINGS_MODULE).
    """
    if command not in BACKGROUND:
        return
    with contextlib.suppress(PermissionError):
        os.nice(NICENESS)
    if hasattr(os, "SCHED_BATCH"):  # of Linux: a process that wakes up waits for its turn
        with contextlib.suppress(PermissionError):
            # One that was idle may not become anything else, and so this waits for the settings.
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
            if command in IDLE and _has_postgresql():
                os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def _has_postgresql() -> bool:
    from django.conf import settings
    from django.core.exceptions import ImproperlyConfigured

    try:
        return bool(settings.DATABASES["default"]["ENGINE"] == "django.db.backends.postgresql")
    except ImproperlyConfigured:
        return False  # Django tells of it
