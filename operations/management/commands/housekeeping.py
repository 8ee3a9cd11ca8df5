"""manage.py housekeeping: what a service that runs for years needs once a day, by cron or a timer."""

import time
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.management import BaseCommand, call_command
from django.db import connection
from django.utils import timezone

from accounts.models import KnownSource, LoginSource, TokenFamily
from audit import retention
from boot.postgresql import count_deferred
from devices import access_log, counts, request_upkeep, usage
from devices.imports import imports
from jobs import answers, runner
from operations.models import KEPT, HousekeepingRun, warnings
from webhooks import alerts, mails, phones
from webhooks import worker as webhooks

KNOWN_FOR = timedelta(days=90)  # how long a source is one from which a user logs in


class Command(BaseCommand):
    """Clears what is spent, prunes the access log and the audit log, makes partitions for the coming week."""

    help = (
        "Daily upkeep: clears spent tokens and sessions, prunes the access log and the audit log, deletes the rows"
        " of old imports and finished jobs, makes the access log's partitions of the coming week and moves rows"
        " that had none (PostgreSQL). What it warns of is kept, and told by /readyz."
        " Safe to repeat, and to run while the service is busy."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        now, log_days = timezone.now(), settings.ACCESS_LOG_DAYS
        run = HousekeepingRun.objects.create(began=now)
        made = access_log.make_partitions(now.date())
        if connection.vendor == "postgresql":
            self.stdout.write(f"Access log: {len(made)} days made ahead")
        tokens, _ = TokenFamily.objects.filter(expires_at__lt=now).delete()
        self.stdout.write(f"Spent logins cleared: {tokens}")
        sources, _ = LoginSource.objects.filter(minute__lt=time.time() // 60 - 60 * 24).delete()
        self.stdout.write(f"Login sources forgotten: {sources}")
        known, _ = KnownSource.objects.filter(last_success__lt=now - KNOWN_FOR).delete()
        self.stdout.write(f"Known sources of users forgotten: {known}")
        call_command("clearsessions")
        self.stdout.write(f"Requests of locked devices counted: {count_deferred()}")
        self.stdout.write(f"Rows of the numbers of devices added up: {counts.compact()}")
        self.stdout.write(f"Access log: {request_upkeep.keep_up()} ids added to the sums")
        self.stdout.write(f"Sums of old requests deleted: {request_upkeep.forget_old()}")
        self.stdout.write(f"Days added to the usage of their months: {usage.close_days(now.date(), log_days)}")
        rows, dropped = access_log.prune(now.date(), log_days)
        self.stdout.write(f"Access log: {rows} rows deleted, {len(dropped)} days dropped")
        if moved := access_log.move_out_of_default(now.date()):
            self.stdout.write(f"Access log: {moved} rows moved to their days")
        pruned = retention.prune(now - timedelta(days=settings.AUDIT_LOG_DAYS))
        self.stdout.write(f"Audit log: {pruned} entries deleted")
        self.stdout.write(f"Imports given up: {imports.forget_old()}")
        self.stdout.write(f"Jobs forgotten: {runner.forget_old()}")
        self.stdout.write(f"Answers kept for retries forgotten: {answers.forget_old()}")
        self.stdout.write(f"Deliveries of webhooks forgotten: {webhooks.forget_old()}")
        self.stdout.write(f"Mails forgotten: {mails.forget_old()}, notices without one: {alerts.forget_old()}")
        self.stdout.write(f"What events were made from forgotten: {phones.forget_old()}")
        if settings.MANAGEMENT_NETWORKS:
            from management import retention as of_management  # loaded only where it is on

            artefacts, done = of_management.prune(now, timedelta(days=settings.AUDIT_LOG_DAYS))
            self.stdout.write(f"Device management: {artefacts} artefacts and {done} operations deleted")
        run.ended = timezone.now()
        run.save()
        told = warnings(run, access_log.days_ahead(now.date()))
        run.warnings = "\n".join(told)
        run.save()
        newest = HousekeepingRun.objects.order_by("-pk").values("pk")[:KEPT]
        HousekeepingRun.objects.exclude(pk__in=newest).delete()
        for warning in told:
            self.stderr.write(f"Warning: {warning}")
