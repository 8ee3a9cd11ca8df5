"""Every address of the API, below /api/v1/."""

from typing import Any

from django.conf import settings
from django.urls import URLPattern, path, re_path, register_converter

from api import (
    accesses,
    alerts,
    audit,
    devices,
    docs,
    groups,
    import_rows,
    imports,
    keys,
    location_devices,
    locations,
    login,
    moves,
    usage,
    users,
    webhook_actions,
    webhooks,
)
from devices import mac


class DeviceIdConverter:
    """An id in the path of a device: fewer digits than a MAC has."""

    regex = "[0-9]{1,11}"

    def to_python(self, value: str) -> int:
        return int(value)

    def to_url(self, value: int) -> str:
        return str(value)


class MACConverter:
    """A MAC in any accepted spelling."""

    regex = "[0-9A-Fa-f:-]{12,17}"

    def to_python(self, value: str) -> str:
        return mac.parse(value)  # its InvalidMAC is a ValueError: this address does not match

    def to_url(self, value: str) -> str:
        return value


register_converter(DeviceIdConverter, "device_id")
register_converter(MACConverter, "mac")


def api(route: str, view: Any, name: str) -> list[URLPattern]:
    """An address of the API; the documented form has no slash at the end, and one is tolerated."""
    return [path(route, view.as_view(), name=name), path(route + "/", view.as_view())]


def management() -> list[URLPattern]:
    """The addresses of device management; while it is off, what says so, and nothing of it is loaded."""
    if not settings.MANAGEMENT_NETWORKS:
        from api.management_off import ManagementOffView

        off = ManagementOffView.as_view()
        return [re_path("^management(?:/.*)?$", off), re_path("^locations/[0-9]+/consistency/?$", off)]

    from api import management, management_capabilities, management_consistency, management_passthrough
    from api import management_certificates as certificates
    from api import management_operations as operations
    from api import management_results as results

    endpoint = "management/endpoints/<int:id>"
    return [
        *api("management/endpoints", management.EndpointsView, "endpoints"),
        *api(endpoint, management.EndpointView, "endpoint"),
        *api(f"{endpoint}/probe", operations.ProbeView, "endpoint-probe"),
        *api(f"{endpoint}/capabilities", management_capabilities.CapabilitiesView, "endpoint-capabilities"),
        *api(f"{endpoint}/summary", results.SummaryView, "endpoint-summary"),
        *api(f"{endpoint}/operations", operations.EndpointOperationsView, "endpoint-operations"),
        *api(f"{endpoint}/passthrough", management_passthrough.PassthroughView, "endpoint-passthrough"),
        *api(f"{endpoint}/uiToken", operations.UiTokenView, "endpoint-ui-token"),
        *api(f"{endpoint}/alarms", results.AlarmsView, "endpoint-alarms"),
        *api(f"{endpoint}/tls", results.TlsView, "endpoint-tls"),
        *api(f"{endpoint}/artefacts", results.ArtefactsView, "endpoint-artefacts"),
        *api(f"{endpoint}/artefacts/<int:artefact>", results.ArtefactView, "endpoint-artefact"),
        *api("management/operations", operations.OperationsView, "operations"),
        *api("management/operations/<int:id>", operations.OperationView, "operation"),
        *api("management/operations/<int:id>/certificate", certificates.CertificateView, "operation-certificate"),
        *api("management/operations/<int:id>/resume", certificates.ResumeView, "operation-resume"),
        *api("locations/<int:id>/consistency", management_consistency.ConsistencyView, "location-consistency"),
    ]


def uploads() -> list[URLPattern]:
    """Where devices push files: not of the API, and only while device management is on."""
    if not settings.MANAGEMENT_NETWORKS:
        return []
    from api.management_uploads import UploadView

    return [path("uploads/<str:token>", UploadView.as_view())]


urlpatterns = [
    *api("login", login.LoginView, "login"),
    *api("logout", login.LogoutView, "logout"),
    *api("refresh", login.RefreshView, "refresh"),
    *api("changePassword", login.ChangePasswordView, "change-password"),
    *api("groups", groups.GroupsView, "groups"),
    *api("groups/<int:id>", groups.GroupView, "group"),
    *api("usage", usage.UsageView, "usage"),
    *api("users", users.UsersView, "users"),
    *api("users/me", users.OwnUserView, "own-user"),
    *api("users/<int:id>", users.UserView, "user"),
    *api("keys", keys.KeysView, "keys"),
    *api("keys/<int:id>", keys.KeyView, "key"),
    *api("webhooks", webhooks.WebhooksView, "webhooks"),
    *api("webhooks/<int:id>", webhooks.WebhookView, "webhook"),
    *api("webhooks/<int:id>/test", webhook_actions.WebhookTestView, "webhook-test"),
    *api("webhooks/<int:id>/deliveries", webhooks.DeliveriesView, "webhook-deliveries"),
    *api("webhooks/<int:id>/deliveries/<int:delivery>/replay", webhook_actions.ReplayView, "webhook-replay"),
    *api("alerts", alerts.AlertsView, "alerts"),
    *api("alerts/<int:id>", alerts.AlertView, "alert"),
    # The manual's examples say /user: the same views.
    *api("user", users.UsersView, "users-alias"),
    *api("user/me", users.OwnUserView, "own-user-alias"),
    *api("user/<int:id>", users.UserView, "user-alias"),
    *api("devices", devices.DevicesView, "devices"),
    *api("devices/remove", devices.DevicesRemoveView, "devices-remove"),
    *api("devices/move", moves.DevicesMoveView, "devices-move"),
    *api("devices/<device_id:id>", devices.DeviceView, "device"),
    *api("devices/<mac:mac>", devices.DeviceView, "device-by-mac"),
    *api("devices/<device_id:id>/accesses", accesses.DeviceAccessesView, "device-accesses"),
    *api("devices/<mac:mac>/accesses", accesses.DeviceAccessesView, "device-accesses-by-mac"),
    *api("accesses", accesses.AccessesView, "accesses"),
    *api("audit", audit.EntriesView, "audit"),
    *api("audit/<int:id>", audit.EntryView, "audit-entry"),
    *api("locations", locations.LocationsView, "locations"),
    *api("locations/remove", locations.LocationsRemoveView, "locations-remove"),
    *api("locations/<int:id>", locations.LocationView, "location"),
    *api("locations/<int:id>/devices", location_devices.LocationDevicesView, "location-devices"),
    *api("locations/<int:id>/devices/associate", location_devices.AssociateView, "associate"),
    *api("locations/<int:id>/devices/disassociate", location_devices.DisassociateView, "disassociate"),
    *api("imports", imports.ImportsView, "imports"),
    *api("imports/<int:id>", imports.ImportView, "import"),
    *api("imports/<int:id>/rows", import_rows.ImportRowsView, "import-rows"),
    *api("imports/<int:id>/confirm", imports.ConfirmImportView, "confirm-import"),
    *management(),
    path("schema", docs.SchemaView.as_view(), name="schema"),
    path("docs", docs.DocsView.as_view(), name="docs"),
]
