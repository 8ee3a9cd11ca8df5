"""The app of webhooks."""

from django.apps import AppConfig


class WebhooksConfig(AppConfig):
    """webhooks"""

    name = "webhooks"

    def ready(self) -> None:
        from audit.tracking import track
        from jobs import turns
        from webhooks import phones, quotas, worker
        from webhooks.models import Webhook

        track(Webhook, "group", "url", "events", "description", "enabled")
        turns.register(phones.turn, seconds=5)
        turns.register(quotas.turn, seconds=30)
        turns.register(worker.turn, seconds=1)
