"""The app of locations."""

from django.apps import AppConfig


class LocationsConfig(AppConfig):
    """locations"""

    name = "locations"

    def ready(self) -> None:
        from audit.tracking import track
        from locations.models import Location

        track(Location, "group", "url", "description", "mutual_auth", "answer")
