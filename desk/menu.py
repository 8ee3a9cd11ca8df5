"""The menu at the side: what this member of staff may look at, and nothing else."""

from typing import Any

from django.apps import apps
from django.http import HttpRequest
from django.urls import reverse

# Title, icon, page, and the permission that it takes.
PAGES = (
    ("Phones", (
        ("Dashboard", "monitoring", "admin:index", ""),
        ("Find", "search", "admin:find", ""),
        ("Devices", "deskphone", "admin:devices_device_changelist", "devices.view_device"),
        ("Locations", "location_on", "admin:locations_location_changelist", "locations.view_location"),
        ("Import", "upload_file", "admin:devices_import_upload", "devices.import_device"),
        (
            "Denied certificates",
            "gpp_bad",
            "admin:devices_deniedcertificate_changelist",
            "devices.view_deniedcertificate",
        ),
        ("Requests of phones", "receipt_long", "admin:devices_access_changelist", "devices.view_access"),
    )),
    ("Customers", (
        ("Groups", "corporate_fare", "admin:accounts_group_changelist", "accounts.view_group"),
        ("Users", "person", "admin:accounts_user_changelist", "accounts.view_user"),
        ("Alerts", "mail", "admin:webhooks_alert_changelist", "webhooks.view_alert"),
        ("API keys", "key", "admin:accounts_apikey_changelist", "accounts.view_apikey"),
    )),
    ("Device management", (
        ("Interfaces", "lan", "admin:management_endpoint_changelist", "management.view_endpoint"),
        ("Operations", "play_circle", "admin:management_operation_changelist", "management.view_operation"),
        ("Files", "folder_zip", "admin:management_artefact_changelist", "management.view_artefact"),
    )),
    ("Support desk", (
        ("Audit log", "history", "admin:audit_entry_changelist", "audit.view_entry"),
        ("Staff roles", "badge", "admin:auth_group_changelist", "auth.view_group"),
    )),
)  # fmt: skip


def is_installed(permission: str) -> bool:
    """Whether the app of a permission is switched on."""
    return apps.is_installed(permission.partition(".")[0])


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """The groups of links, as the look of the admin wants them."""
    menu = []
    for title, pages in PAGES:
        items = [
            {"title": name, "icon": icon, "link": reverse(page)}
            for name, icon, page, permission in pages
            if not permission or (is_installed(permission) and request.user.has_perm(permission))
        ]
        if items:
            menu.append({"title": title, "separator": True, "items": items})
    return menu


def of_account(request: HttpRequest) -> list[dict[str, str]]:
    """The links behind the own name."""
    return [
        {"title": "Change password", "link": reverse("admin:password_change")},
        {"title": "Second factor", "link": reverse("admin:second_factor")},
    ]
