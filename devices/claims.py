"""Who may claim how many devices, of which makers; and who had which MAC when.

A quota holds exactly: the rows of group and reseller are locked before devices are counted, in the order of their
ids, before locations and devices. Where no quota is set nothing is locked and nothing is counted.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar

from django.conf import settings
from django.db import models, transaction
from django.db.models import Count, Q

from accounts.models import Group
from audit.models import Changes, Event
from audit.recording import record_finding, record_findings
from devices.mac import display
from redirect.db.arrays import integers
from redirect.errors import Conflict, FieldError

SHOWN = 20
PREFIX = re.compile(r"[0-9A-F]{6,11}")
NOBODY = 0  # the id of no group
LEAST_FOREIGN = 10  # MACs of other groups in one call, below which their share says nothing


class Claim(models.Model):
    """A group had the device of this MAC.

    The database writes these rows itself, whoever changes a device (migration 0025: triggers). There is no foreign
    key: a claim outlives its device and its group. A claim that runs is told by its device (`claimed_at`); one
    from before that migration is a row here that has not ended.
    """

    mac = models.CharField(max_length=12)
    group_id = models.BigIntegerField()
    began = models.DateTimeField(null=True)  # NULL: before claims were kept
    ended = models.DateTimeField(null=True)
    dispute = models.TextField(null=True)  # noqa: DJ001 - why staff ended it; NULL: they did not

    class Meta:
        default_permissions = ()
        permissions: ClassVar = [("dispute_claim", "Can end or move claims that are disputed")]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["mac"], condition=Q(ended=None), name="claim_one_at_a_time"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["mac", "began"], name="claim_of_mac"),
            models.Index(fields=["group_id", "began"], name="claim_of_group"),
            models.Index(
                fields=["group_id", "ended"], name="claim_ended_of_group", condition=Q(ended__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.mac} of {self.group_id}"


class Claimed(models.Model):
    """A device: a new one that is saved alone is held to the limits of its group."""

    mac: Any
    group_id: Any

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Raises Conflict if it is new and the group may not claim it."""
        with transaction.atomic():
            if self._state.adding:
                refuse_new(self.group_id, self.mac)
                super().save(*args, **kwargs)
                self.__dict__.pop("claimed_at", None)  # read when it is asked for: the database has written it
            else:
                super().save(*args, **kwargs)


# --- Quotas and makers -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Quota:
    """What a group may have; `whole`: a reseller together with its providers. `members` are the groups counted."""

    group_id: int
    name: str
    devices: int
    whole: bool


@dataclass(frozen=True)
class Limits:
    """What some groups may claim, as long as the transaction lasts that has locked them."""

    quotas: tuple[Quota, ...] = ()
    prefixes: Mapping[int, tuple[str, ...]] = field(default_factory=dict)

    def outside(self, group_id: int, macs: Iterable[str]) -> list[str]:
        """Those of the MACs that the group may not claim, as they are of other makers than its list names."""
        allowed = self.prefixes.get(group_id)
        return [mac for mac in macs if not mac.startswith(allowed)] if allowed else []

    def refuse_outside(self, group_id: int, macs: Collection[str]) -> None:
        """Raises Conflict naming the MACs that the group may not claim."""
        if wrong := self.outside(group_id, macs):
            told = [f"MAC {display(mac)} is not of a maker that the group may claim." for mac in wrong[:SHOWN]]
            raise Conflict(told[0], [FieldError("macList", sentence) for sentence in told])

    def check(self, gains: Mapping[int, int], *, written: bool = True) -> None:
        """Raises OverQuota if a group has more devices than its quota, and gains some in this transaction.

        `gains` are devices by group, negative for those that lose some; `written`: they are in the table already.
        """
        over = []
        for quota, (devices, gain) in self._use(gains).items():
            used = devices - (gain if written else 0)
            if gain > 0 and used + gain > quota.devices:
                over.append((quota, used, gain))
        if over:
            raise OverQuota(over)

    def used(self) -> dict[Quota, int]:
        """How many devices each quota has now."""
        return {quota: devices for quota, (devices, _) in self._use({}).items()}

    def _use(self, gains: Mapping[int, int]) -> dict[Quota, tuple[int, int]]:
        """By quota: the devices of its groups in the table, and what these gain."""
        if not self.quotas:
            return {}
        members = self._members()
        devices: Any = Group._meta.get_field("devices").related_model  # above this module
        everyone = {pk for some in members.values() for pk in some}
        rows = devices.objects.filter(group__in=list(everyone)).order_by().values_list("group")
        counts = dict(rows.annotate(number=Count("pk")))
        return {
            quota: (sum(counts.get(pk, 0) for pk in some), sum(gains.get(pk, 0) for pk in some))
            for quota, some in members.items()
        }

    def _members(self) -> dict[Quota, set[int]]:
        """The groups whose devices count, by quota."""
        resellers = [quota.group_id for quota in self.quotas if quota.whole]
        below = Group.objects.filter(reseller__in=resellers).values_list("reseller_id", "pk")
        members = {quota: {quota.group_id} for quota in self.quotas}
        for reseller, pk in below if resellers else ():
            for quota in self.quotas:
                if quota.whole and quota.group_id == reseller:
                    members[quota].add(pk)
        return members


class OverQuota(Conflict):
    """409: devices do not fit into quotas. The sentence has no number of a reseller, which its providers may not
    learn; `shown_to` adds them.
    """

    def __init__(self, over: Iterable[tuple[Quota, int, int]], *, viewer: int | None = NOBODY) -> None:
        self._over = sorted(over, key=lambda each: each[0].whole)
        super().__init__(" ".join(_sentence(*each, viewer) for each in self._over))

    def shown_to(self, viewer: int | None) -> "OverQuota":
        """As the users of this group are told; None: as the operator and support staff are, who have no group."""
        return OverQuota(self._over, viewer=viewer)


@contextmanager
def quotas_shown_to(viewer: int | None) -> Iterator[None]:
    """An OverQuota that is raised inside tells what `shown_to` says."""
    try:
        yield
    except OverQuota as error:
        raise error.shown_to(viewer) from error


def _sentence(quota: Quota, used: int, gain: int, viewer: int | None) -> str:
    if quota.whole and viewer not in (None, quota.group_id):
        return "The quota of the reseller, with its providers, has no room for these devices."
    owner = "The reseller, with its providers," if quota.whole else f"The group {quota.name}"
    more = "1 more does not fit" if gain == 1 else f"{gain:,} more do not fit"
    return f"{owner} has a quota of {quota.devices:,} devices, of which {used:,} are used: {more}."


def lock(group_ids: Collection[int]) -> Limits:
    """What these groups may claim: first in a transaction that gives them devices.

    One statement; two where there are quotas. Of a group that is gone nothing is known here: its devices have to
    be refused by the foreign key.
    """
    groups = Group.objects.filter(pk__in=integers(group_ids)).select_related("reseller").order_by("pk")
    found = list(groups)
    quotas = [_own_of(group) for group in found] + [_whole_of(group.reseller or group) for group in found]
    keys = {quota.group_id for quota in quotas if quota is not None}
    kept: list[Quota | None] = []
    if keys:
        rows = Group.objects.filter(pk__in=integers(keys)).order_by("pk")
        for group in rows.select_for_update(of=("self",), no_key=True):
            own = [_own_of(group)] if group in found else []
            kept += [*own, _whole_of(group)]
    prefixes = {group.pk: tuple(group.mac_prefixes.split()) for group in found if group.mac_prefixes}
    return Limits(tuple(quota for quota in kept if quota is not None), prefixes)


def read(group_ids: Iterable[int]) -> Limits:
    """The makers whose MACs these groups may claim; locks nothing, and knows of no quota."""
    groups = Group.objects.filter(pk__in=integers(set(group_ids)), mac_prefixes__gt="")
    rows = groups.values_list("pk", "mac_prefixes")
    return Limits(prefixes={pk: tuple((prefixes or "").split()) for pk, prefixes in rows})


def quotas_of(groups: Iterable[Group]) -> Limits:
    """The quotas of these groups as they are, for one who only looks; nothing is locked."""
    quotas = [quota for group in groups for quota in (_own_of(group), _whole_of(group)) if quota is not None]
    return Limits(tuple(quotas))


def refuse_new(group_id: int, mac: str) -> None:
    """Raises Conflict if the group may not have a device of this MAC beside those it has; within a transaction."""
    limits = lock([group_id])
    limits.refuse_outside(group_id, [mac])
    limits.check({group_id: 1}, written=False)


def lock_reseller(reseller: Group) -> Limits:
    """As `lock`, of a reseller that gets another provider, with that provider's devices."""
    return Limits(tuple(quota for quota in lock([reseller.pk]).quotas if quota.whole))


def _own_of(group: Group) -> Quota | None:
    """The quota of the group's own devices, if there is one."""
    quota = group.device_quota if group.device_quota is not None else settings.DEVICE_QUOTA_PER_GROUP or None
    return None if quota is None else Quota(group.pk, str(group.name), quota, whole=False)


def _whole_of(group: Group) -> Quota | None:
    """The quota of a reseller together with its providers, if there is one; none of a provider."""
    if not group.is_reseller:
        return None
    quota = group.total_device_quota
    quota = quota if quota is not None else settings.DEVICE_QUOTA_PER_RESELLER or None
    return None if quota is None else Quota(group.pk, str(group.name), quota, whole=True)


def parse_prefixes(text: str) -> str:
    """Prefixes of MACs as they are kept: 6 to 11 upper-case digits each, parted by a space.

    Raises ValueError with a sentence for the one who typed them.

    >>> parse_prefixes("00:90:8f, 000413")
    '00908F 000413'
    """
    prefixes = []
    for word in re.split(r"[\s,;]+", text.strip()):
        digits = re.sub("[:.-]", "", word).upper()
        if word and not PREFIX.fullmatch(digits):
            raise ValueError(f"{word[:40]} is no prefix of MACs: 6 to 11 hexadecimal digits, such as 00:90:8F.")
        if digits and digits not in prefixes:
            prefixes.append(digits)
    return " ".join(prefixes)


# --- What looks like a claim of what is another's ----------------------------------------------------------------


def watch(group: Group, new: Collection[str], foreign: Collection[str], sent: int) -> None:
    """Leave an entry of the audit log if a call claims a long run of consecutive MACs, or if many of the MACs that
    it names are another group's. Within the call's transaction.
    """
    record_finding(Event.CLAIM_SUSPECTED, group, _suspicion(new, foreign, sent))


def watch_groups(new: Mapping[int, Collection[str]], foreign: Mapping[int, Collection[str]]) -> None:
    """As `watch`, of a list with MACs for several groups, by their ids."""
    findings: list[tuple[models.Model, Changes]] = []
    for pk, group in sorted(Group.objects.in_bulk({*new, *foreign}).items()):
        claimed, others = new.get(pk, ()), foreign.get(pk, ())
        findings.append((group, _suspicion(claimed, others, len(claimed) + len(others))))
    if findings:
        record_findings(Event.CLAIM_SUSPECTED, findings)


def _suspicion(new: Collection[str], foreign: Collection[str], sent: int) -> Changes:
    finding: Changes = {}
    first, length = longest_run(new)
    if settings.CLAIM_RUN_ALERT and length >= settings.CLAIM_RUN_ALERT:
        last = f"{int(first, 16) + length - 1:012X}"
        finding |= {"first": [None, display(first)], "last": [None, display(last)], "consecutive": [None, length]}
    share = settings.CLAIM_FOREIGN_ALERT
    if share and len(foreign) >= LEAST_FOREIGN and len(foreign) * 100 >= share * sent:
        finding |= {"foreign": [None, len(foreign)], "sent": [None, sent]}
    return finding


def longest_run(macs: Iterable[str]) -> tuple[str, int]:
    """Where the longest run of consecutive MACs begins, and how many these are.

    >>> longest_run(["00908F000007", "00908F000001", "00908F000002"])
    ('00908F000001', 2)
    """
    best, length, begin, previous = "", 0, -1, -2
    for number in sorted(int(mac, 16) for mac in macs):
        begin = begin if number == previous + 1 else number
        previous = number
        if number - begin + 1 > length:
            best, length = f"{begin:012X}", number - begin + 1
    return best, length
