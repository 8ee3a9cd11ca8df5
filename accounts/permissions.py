"""Who may do what: one table of actions and levels. Which rows, is asked apart, in scope.py.

Source: manual 10.1; contract section 3.
"""

from collections.abc import Mapping
from enum import Enum, auto

from accounts.models import GroupType, Level, User


class Action(Enum):
    """What a caller wants to do."""

    VIEW = auto()
    CHANGE_DEVICES_AND_LOCATIONS = auto()
    CREATE_OR_DELETE_GROUP = auto()
    CHANGE_GROUP = auto()
    MANAGE_USERS = auto()
    READ_AUDIT = auto()
    MANAGE_KEYS = auto()
    OPERATE_ENDPOINTS = auto()
    ADMINISTER_ENDPOINTS = auto()
    MANAGE_WEBHOOKS = auto()
    MANAGE_ALERTS = auto()


RESELLER_ADMINISTRATOR = (GroupType.RESELLER, Level.ADMINISTRATOR)
RESELLER_OPERATOR = (GroupType.RESELLER, Level.OPERATOR)
RESELLER_MONITOR = (GroupType.RESELLER, Level.MONITOR)
PROVIDER_ADMINISTRATOR = (GroupType.PROVIDER, Level.ADMINISTRATOR)
PROVIDER_OPERATOR = (GroupType.PROVIDER, Level.OPERATOR)
PROVIDER_MONITOR = (GroupType.PROVIDER, Level.MONITOR)

ADMINISTRATORS = {RESELLER_ADMINISTRATOR, PROVIDER_ADMINISTRATOR}
OPERATORS = {RESELLER_OPERATOR, PROVIDER_OPERATOR}
MONITORS = {RESELLER_MONITOR, PROVIDER_MONITOR}

ALLOWED: Mapping[Action, set[tuple[GroupType, Level]]] = {
    Action.VIEW: ADMINISTRATORS | OPERATORS | MONITORS,
    Action.CHANGE_DEVICES_AND_LOCATIONS: ADMINISTRATORS | OPERATORS,
    Action.CREATE_OR_DELETE_GROUP: {RESELLER_ADMINISTRATOR},
    Action.CHANGE_GROUP: ADMINISTRATORS,
    Action.MANAGE_USERS: ADMINISTRATORS,
    Action.READ_AUDIT: ADMINISTRATORS,
    Action.MANAGE_KEYS: ADMINISTRATORS,
    Action.OPERATE_ENDPOINTS: ADMINISTRATORS | OPERATORS,
    Action.ADMINISTER_ENDPOINTS: ADMINISTRATORS,
    Action.MANAGE_WEBHOOKS: ADMINISTRATORS,
    Action.MANAGE_ALERTS: ADMINISTRATORS,
}


def is_allowed(user: User, action: Action) -> bool:
    """Whether the user's level allows the action at all; the platform operator may do everything."""
    if user.is_operator:
        return True
    return user.group is not None and (user.group.group_type, user.permission_level) in ALLOWED[action]
