"""The app of webhooks."""

from django.apps import AppConfig


class WebhooksConfig(AppConfig):
    """webhooks"""

    name = "webhooks"

    def ready(self) -> None:
        from audit.tracking import track
        from jobs import turns
        from webhooks import alerts, mails, order, quotas, worker
        from webhooks.models import Alert, Webhook

        track(Webhook, "group", "url", "events", "description", "enabled")
        track(Alert, "group", "mode", "events", "hour", "time_zone", "addresses", "description", "enabled")
        turns.register(order.turn, seconds=5)
        turns.register(quotas.turn, seconds=30)
        turns.register(worker.turn, seconds=1)
        turns.register(alerts.turn, seconds=5)
        turns.register(mails.turn, seconds=2)
