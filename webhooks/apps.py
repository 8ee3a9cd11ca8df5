"""The app of webhooks."""

from django.apps import AppConfig


class WebhooksConfig(AppConfig):
    """webhooks"""

    name = "webhooks"

    def ready(self) -> None:
        from audit.tracking import track
        from jobs import turns
        from webhooks import worker
        from webhooks.models import Webhook

        track(Webhook, "group", "url", "events", "description", "enabled")
        turns.register(worker.turn, seconds=1)
