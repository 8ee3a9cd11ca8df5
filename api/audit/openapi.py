"""What the document says of the audit log."""

from drf_spectacular.utils import extend_schema, extend_schema_view

from api.audit import views
from api.audit.filters import EntryFilters
from api.audit.serializers import EntrySerializer
from api.audit.visibility import SUPPORT_STAFF
from api.openapi import ID, NOT_THERE, READING, READING_ONE, answer, describe, list_parameters, page_of
from audit.recording import SHOWN

ENTRY = {
    "id": 17,
    "time": "2019-04-28T18:16:04+0000",
    "event": "DevicesCreated",
    "objectType": "Device",
    "objectId": None,
    "object": None,
    "user": "ada",
    "address": "192.0.2.7",
    "source": "API",
    "requestId": "6c5b0d0b2a7c4c0b9d1f3e5a7b9c1d3f",
    "groupId": 2,
    "changes": {"locationId": [None, 7]},
    "count": 2,
    "macList": ["00:90:8F:9D:89:92", "00:90:8F:9D:89:93"],
    "idList": None,
}
CHANGED = ENTRY | {
    "id": 16,
    "event": "Changed",
    "objectType": "Group",
    "objectId": 2,
    "object": "Acme Voice",
    "changes": {"address": ["1 Old Street", "2 New Street"]},
    "count": None,
    "macList": None,
}

extend_schema_view(
    get=extend_schema(
        operation_id="listAudit",
        tags=["Audit"],
        summary="The audit log: who changed what, when and from where",
        description=(
            "For Administrators. One entry for each write through the API, the admin or a command, and for each "
            "failed login; newest first. You see the entries of the groups in your scope at that moment. Who of "
            f"another tenant did it is not told, nor from where; of support staff it says `{SUPPORT_STAFF}`. "
            "When something moves from one group to another, each of the two sees its own side. Secrets are never "
            f"kept. Entries are kept for a year, unless the operator has set another time. Of longer lists the "
            f"first {SHOWN} objects are shown; `GET /audit/{{id}}` has them all."
        ),
        parameters=[
            parameter
            for parameter in list_parameters(
                EntryFilters,
                "mac='00:90:8F:9D:89:92'",
                "(event='LoginFailed',time>'2026-01-01T00:00:00+0000')",
            )
            if parameter.name != "depth"
        ],
        responses=page_of("audit", EntrySerializer, ENTRY, CHANGED) | READING,
    )
)(views.EntriesView)

extend_schema_view(
    get=extend_schema(
        operation_id="getAuditEntry",
        tags=["Audit"],
        summary="An entry of the audit log, with its whole list",
        description="For Administrators.",
        parameters=[ID],
        responses=answer(EntrySerializer, "The entry.", ENTRY) | NOT_THERE | READING_ONE,
    )
)(views.EntryView)

describe(
    "Entry",
    event="What happened.",
    objectType="Group, User, Location or Device; the operator also sees StaffRole.",
    objectId="Null for a bulk call, and for a failed login whose user is unknown.",
    object="The name, login, URL or MAC that it had.",
    user="The login of who did it; null where nobody had logged in, or it is another tenant's.",
    address="From where; null like `user`, and for commands.",
    requestId="The `X-Request-ID` of the request; null for commands.",
    groupId="To whose history it belongs; null where it is of several groups.",
    changes={
        "description": (
            "By attribute the old and the new value. `***` stands for a secret. Of a bulk call the old value is "
            "null, since it differs from one to the next."
        ),
        "additionalProperties": {"type": "array", "minItems": 2, "maxItems": 2, "items": {}},
    },
    count="The number of objects of a bulk call that are yours.",
    macList="The devices of a bulk call.",
    idList="The locations of a bulk call.",
)
