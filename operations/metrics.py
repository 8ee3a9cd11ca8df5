"""GET /metrics: what Prometheus reads, for those alone who were named in the settings."""

import hmac
import logging
from collections.abc import Iterator
from ipaddress import ip_address

from django.conf import settings
from django.db import DatabaseError, InterfaceError
from django.db.models import Count, Min, Q
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from prometheus_client import CONTENT_TYPE_LATEST
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from devices.models import Import
from jobs.models import Job, JobState
from operations.health import only_safe
from operations.models import HousekeepingRun
from redirect.metrics import exposition

logger = logging.getLogger(__name__)


@only_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """The metrics of all processes of this server; 404 for all others, as where nothing is."""
    if not _may_read(request):
        raise Http404
    return HttpResponse(exposition(DatabaseMetrics()), content_type=CONTENT_TYPE_LATEST)


def _may_read(request: HttpRequest) -> bool:
    """Whether the caller's address is in METRICS_ADDRESSES or its bearer token is METRICS_TOKEN."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    wanted: str = settings.METRICS_TOKEN
    if wanted and scheme.lower() == "bearer" and hmac.compare_digest(token.strip().encode(), wanted.encode()):
        return True
    try:
        address = ip_address(request.META.get("REMOTE_ADDR", ""))
    except ValueError:
        return False
    address = getattr(address, "ipv4_mapped", None) or address
    return any(address in network for network in settings.METRICS_ADDRESSES)


class DatabaseMetrics(Collector):
    """What the database tells, looked up for each scrape; only that it is away, if it is."""

    def collect(self) -> Iterator[Metric]:
        """Four statements, whatever the number of rows."""
        try:
            found = list(self._look_up())
        except (DatabaseError, InterfaceError) as error:
            logger.warning("The metrics of the database are missing: %s", error)
            found = []
        yield GaugeMetricFamily("redirect_database_up", "1 if the database answers", value=bool(found))
        yield from found

    def _look_up(self) -> Iterator[Metric]:
        unfinished = Q(state__in=[JobState.WAITING, JobState.RUNNING])
        jobs = GaugeMetricFamily("redirect_jobs", "Jobs in the table, by state", labels=["state"])
        counted = dict(Job.objects.values_list("state").annotate(number=Count("pk")))
        for state in JobState:
            jobs.add_metric([state.value], counted.get(state.value, 0))
        yield jobs
        oldest = Job.objects.filter(unfinished).aggregate(oldest=Min("created_at"))["oldest"]
        yield GaugeMetricFamily(
            "redirect_oldest_unfinished_job_seconds",
            "How long ago the oldest job was asked for that is not finished",
            value=(timezone.now() - oldest).total_seconds() if oldest else 0,
        )
        imports = GaugeMetricFamily("redirect_imports", "Imports in the table, by state", labels=["state"])
        for state, number in Import.objects.values_list("state").annotate(number=Count("pk")):
            imports.add_metric([state], number)
        yield imports
        newest = HousekeepingRun.newest()
        ended = newest.ended if newest is not None else None
        yield GaugeMetricFamily(
            "redirect_housekeeping_time_seconds",
            "When housekeeping last came to its end, in seconds since 1970; 0 if never",
            value=ended.timestamp() if ended else 0,
        )
