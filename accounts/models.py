"""Who: groups (resellers and their providers), users, and their open logins."""

import uuid
from datetime import datetime
from typing import Any, ClassVar

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.core.validators import RegexValidator
from django.db import models, transaction
from django.db.models import Count, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce, Lower
from django.db.models.lookups import Exact
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.functional import cached_property

from accounts.scope import ScopedQuerySet
from accounts.second_factors import RecoveryCode as RecoveryCode  # tables in modules of their own
from accounts.second_factors import SecondFactor as SecondFactor
from accounts.staff_tables import PasswordLink as PasswordLink
from accounts.staff_tables import StaffIdentity as StaffIdentity
from redirect.db.texts import NormalizedCharField

LOGIN_PATTERN = r"^[A-Za-z0-9._@+-]+\Z"


class GroupType(models.TextChoices):
    """The two tiers of tenants."""

    RESELLER = "Reseller"
    PROVIDER = "Provider"


class Level(models.TextChoices):
    """Permission levels of a tenant's user. Source: manual 10.1."""

    ADMINISTRATOR = "Administrator"
    OPERATOR = "Operator"
    MONITOR = "Monitor"


class LoginStatus(models.TextChoices):
    """How the last attempt to log in ended."""

    SUCCESS = "Success"
    FAIL = "Fail"


class GroupQuerySet(ScopedQuerySet["Group"]):
    """Groups; a group is in the scope of itself and of its reseller."""

    group_path = ""

    def with_counts(self) -> "GroupQuerySet":
        """Adds `location_count` and `device_count`, of the group's own."""
        return self.annotate(location_count=_count_of("locations"), device_count=_count_of("devices"))


def _count_of(relation: str) -> Coalesce:
    # By name: locations and devices stand above this app and are not imported here.
    model: Any = Group._meta.get_field(relation).related_model
    rows = model.objects.filter(group=OuterRef("pk")).order_by().values("group")
    return Coalesce(Subquery(rows.annotate(number=Count("pk")).values("number")), 0)


class Group(models.Model):
    """A reseller, or a provider under a reseller. Source: manual 7.1."""

    name = NormalizedCharField(max_length=150)
    group_type = models.CharField(max_length=8, choices=GroupType)
    reseller = models.ForeignKey("self", models.PROTECT, null=True, blank=True, related_name="providers")
    address = NormalizedCharField(max_length=1000, null=True, blank=True)
    description = NormalizedCharField(lines=True, max_length=1000, null=True, blank=True)
    # What it may claim (devices/claims.py). NULL: what the settings say; any maker.
    device_quota = models.PositiveBigIntegerField(null=True, blank=True)
    total_device_quota = models.PositiveBigIntegerField("quota with providers", null=True, blank=True)
    mac_prefixes = models.CharField("prefixes of MACs", max_length=1000, null=True, blank=True)  # noqa: DJ001

    objects = GroupQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                name="group_provider_has_reseller",
                condition=Q(group_type=GroupType.RESELLER, reseller=None)
                | Q(group_type=GroupType.PROVIDER, reseller__isnull=False),
            ),
            models.UniqueConstraint(
                name="group_name_unique_under_reseller",
                fields=["reseller", "name"],
                violation_error_message="The reseller has a provider of this name.",
            ),
            # A reseller has no parent, and NULLs never equal each other: it takes a constraint of its own.
            models.UniqueConstraint(
                name="group_name_unique_among_resellers",
                fields=["name"],
                condition=Q(reseller=None),
                violation_error_message="There is a reseller of this name.",
            ),
        ]

    def __str__(self) -> str:
        return str(self.name)

    @property
    def full_name(self) -> str:
        """ "Reseller / Provider", or the name of a reseller."""
        return f"{self.reseller} / {self.name}" if self.reseller else self.name

    @property
    def is_reseller(self) -> bool:
        """Whether the group has providers, and no reseller above it."""
        return self.group_type == GroupType.RESELLER


class UserQuerySet(ScopedQuerySet["User"]):
    """Users; one without a group is in the scope of the platform operator only."""

    def named(self, login: str) -> "UserQuerySet":
        """The user of this login, in any case; a login with other letters than ASCII's has no user."""
        return self.filter(Exact(Lower("login"), login.lower())) if login.isascii() else self.none()

    def with_active_block(self) -> "UserQuerySet":
        """Adds `active_block`: when the user was blocked, NULL where the block is over."""
        active = models.When(user_block_time__gt=block_horizon(), then="user_block_time")
        return self.annotate(active_block=models.Case(active, default=None))


def block_horizon() -> datetime:
    """A block that began before this moment is over."""
    return timezone.now() - settings.LOGIN_BLOCK


class UserManager(BaseUserManager["User"]):
    """What Django's own commands and log-in forms call."""

    def get_queryset(self) -> UserQuerySet:
        return UserQuerySet(self.model, using=self._db)

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get_queryset().named(username or "").get()

    def create_superuser(self, login: str, password: str | None = None) -> "User":
        """The platform operator: no group, may do everything."""
        user = self.model(login=login, is_superuser=True, is_staff=True, permission_level=Level.ADMINISTRATOR)
        user.set_password(password)
        user.save(using=self._db)
        return user


class User(AbstractBaseUser, PermissionsMixin):
    """A person or program that logs in. Source: manual 10.2.

    A tenant's user has a group and a level. The platform operator is a superuser without a group; support staff
    (`is_staff`) work in the admin with Django's own permissions.
    """

    login = models.CharField(
        max_length=150,
        unique=True,
        validators=[RegexValidator(LOGIN_PATTERN, "Use ASCII letters, digits and . _ @ + - only.")],
    )
    first_name = NormalizedCharField(max_length=150, null=True, blank=True)
    last_name = NormalizedCharField(max_length=150, null=True, blank=True)
    group = models.ForeignKey(Group, models.PROTECT, null=True, blank=True, related_name="users")
    permission_level = models.CharField(max_length=13, choices=Level, null=True, blank=True)  # noqa: DJ001
    email = models.EmailField(max_length=254, null=True, blank=True)  # noqa: DJ001
    description = NormalizedCharField(lines=True, max_length=1000, null=True, blank=True)
    phone1 = NormalizedCharField(max_length=40, null=True, blank=True)
    phone2 = NormalizedCharField(max_length=40, null=True, blank=True)
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField("support staff", default=False)

    force_change_password = models.BooleanField("must change the password at the next login", default=False)
    last_login = models.DateTimeField("last login attempt", null=True, blank=True)
    last_login_status = models.CharField(max_length=7, choices=LoginStatus, null=True, blank=True)  # noqa: DJ001
    fail_login_attempts = models.PositiveIntegerField("failed login attempts", default=0)
    user_block_time = models.DateTimeField("blocked since", null=True, blank=True)

    USERNAME_FIELD = "login"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    objects: ClassVar[UserManager] = UserManager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                Lower("login"),
                name="user_login_unique_in_any_case",
                violation_error_message="There is a user of this login.",
            ),
            models.CheckConstraint(
                name="user_of_a_group_has_a_level",
                condition=Q(group=None) | Q(permission_level__in=Level.values),
            ),
            models.CheckConstraint(
                name="user_platform_operator_has_no_group",
                condition=Q(is_superuser=False) | Q(group=None),
            ),
        ]
        permissions: ClassVar = [
            ("unblock_user", "Can unblock users"),
            ("force_password_user", "Can make users change the password"),
            ("end_tokens_user", "Can end all tokens of users"),
            ("reset_second_factor_user", "Can take the second factor of staff away"),
        ]

    def __str__(self) -> str:
        return self.login

    @property
    def is_operator(self) -> bool:
        """Whether this is a platform operator."""
        return self.is_superuser

    @property
    def blocked_since(self) -> datetime | None:
        """When the user was blocked; None where there is no block, or it is over."""
        blocked = self.user_block_time
        return blocked if blocked and blocked > block_horizon() else None

    @cached_property
    def groups_in_scope(self) -> list[int]:
        """The ids of the own group and, for a reseller's user, of its providers. Not for the platform operator.

        Ids, not a subquery: with them PostgreSQL finds an index for lists and searches among a million devices.
        """
        if self.group is None:
            return []
        providers = Group.objects.filter(reseller=self.group) if self.group.is_reseller else Group.objects.none()
        return [self.group.pk, *providers.values_list("pk", flat=True)]

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        """What a session of the admin must match: it ends when the password is changed, or must be."""
        key = "accounts.models.User.session"
        return salted_hmac(
            key, f"{self.password} {self.force_change_password}", secret, algorithm="sha256"
        ).hexdigest()

    def sees(self, group_id: int | None) -> bool:
        """Whether the group is in the user's scope: the rule of `visible_to`, for an id that is at hand."""
        return self.is_operator or group_id in self.groups_in_scope

    def save(self, *args: Any, **kwargs: Any) -> None:
        """With the audit log's entry or not at all, also where Django's own commands save."""
        with transaction.atomic():
            super().save(*args, **kwargs)


class TokenFamily(models.Model):
    """One login and the tokens that stem from it; deleting the row ends them all.

    `refresh_jti` names the one refresh token that is not spent yet; `spent_jti` the one before it, which was
    spent at that moment by that client (a digest).
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, models.CASCADE, related_name="token_families")
    refresh_jti = models.CharField(max_length=64)
    expires_at = models.DateTimeField()
    spent_jti = models.CharField(max_length=64, default="", db_default="")
    spent_at = models.DateTimeField(null=True)
    spent_by = models.CharField(max_length=64, default="", db_default="")

    class Meta:
        verbose_name_plural = "token families"

    def __str__(self) -> str:
        return f"{self.user} until {self.expires_at:%Y-%m-%d %H:%M}"


class ApiKeyQuerySet(ScopedQuerySet["ApiKey"]):
    """API keys."""


class ApiKey(models.Model):
    """A credential of a group's machines: it lives until it expires or is deleted, whoever made it.

    Of the secret there is only a keyed hash. `hint` is its beginning, to tell keys apart; `allowed_networks` are
    the only ones that it is accepted from (None: any). Made and checked in accounts/keys.py.
    """

    name = NormalizedCharField(max_length=100)
    group = models.ForeignKey(Group, models.PROTECT, related_name="keys")
    permission_level = models.CharField(max_length=13, choices=Level)
    hint = models.CharField(max_length=16)
    digest = models.CharField(max_length=64, unique=True)
    expires_at = models.DateTimeField("expires", null=True, blank=True)
    allowed_networks = models.JSONField(null=True, blank=True)
    last_used = models.DateTimeField(null=True, blank=True)
    last_address = models.GenericIPAddressField("last address", null=True, blank=True)

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        verbose_name = "API key"
        default_permissions = ("view", "delete")
        constraints: ClassVar = [
            models.CheckConstraint(name="api_key_has_a_level", condition=Q(permission_level__in=Level.values)),
        ]

    def __str__(self) -> str:
        return str(self.name)

    @cached_property
    def caller(self) -> User:
        """Who asks with this key: a user of its group and level without a row. The audit log names it so."""
        return User(login=f"key {self.pk}: {self.name}", group=self.group, permission_level=self.permission_level)


class KnownSource(models.Model):
    """A source address from which a user has logged in, and how often a login of the user failed there since."""

    user = models.ForeignKey(User, models.CASCADE, related_name="+")
    source = models.CharField(max_length=64)
    failures = models.PositiveIntegerField(default=0)
    last_success = models.DateTimeField()

    class Meta:
        default_permissions = ()
        constraints: ClassVar = [models.UniqueConstraint(fields=["user", "source"], name="known_source_once")]

    def __str__(self) -> str:
        return f"{self.user_id}: {self.source}"


class LoginSource(models.Model):
    """How often one source address has tried to log in during a minute of the clock."""

    source = models.CharField(max_length=64, primary_key=True)
    minute = models.BigIntegerField()
    attempts = models.PositiveIntegerField(default=0)
    unknown_logins = models.PositiveBigIntegerField(default=0)

    def __str__(self) -> str:
        return self.source
