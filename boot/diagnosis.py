"""Why the last request of a device ended as it did, whether that still holds, and what to do: the rule, in words.

It reads no database and knows no page: the support desk prints what it says. Source of the outcomes: contract
section 8.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from urllib.parse import urlsplit

from boot.certificate import mac_named_in
from boot.certificate_cause import cause_of
from boot.diagnosis_facts import (
    GIVE_LOCATION,
    HTTPS,
    NOT_REQUIRED,
    RESTART,
    Diagnosis,
    Facts,
    Severity,
    fixed,
    proxy_step,
    waiting,
)
from boot.logged import shape_of
from devices.hints import Hint
from devices.mac import RESERVED, display, is_reserved
from devices.models import Access, AccessStatus, Device, Outcome
from locations import url_template
from redirect.times import moment


def diagnose(
    device: Device,
    last: Access | None,
    *,
    now: datetime,
    last_owner: str | None = None,
    certificate_shown: datetime | None = None,
    proxy_trusted: bool = True,
    hint: Hint | None = None,
) -> Diagnosis:
    """The diagnosis of a device by its last request in the access log (None: the log holds none).

    `last_owner` is the name of the group that owned the device at that request, None if that group was deleted;
    `certificate_shown` is when the device last showed a certificate, as far as the log goes back;
    `proxy_trusted` tells whether certificates can reach this service at all; `hint` is a request that was no
    phone's, and carried the device's MAC in its User-Agent.
    """
    if is_reserved(device.mac):
        return _reserved(device)
    facts = Facts(device, last, now, last_owner, certificate_shown, proxy_trusted, hint)
    if last is None:
        if device.last_access is not None:
            return _request_not_kept(facts)
        return _no_request(facts) if hint is None else _no_known_form(facts, hint)
    outcome = Outcome(last.outcome)
    if outcome is not Outcome.UNKNOWN and last.group_id != device.group_id:
        return _moved(facts)
    return BY_OUTCOME[outcome](facts)


def _reserved(device: Device) -> Diagnosis:
    return Diagnosis(
        Severity.BAD,
        "No phone can have this MAC: requests for it are not answered.",
        f"{RESERVED.format(display(device.mac))} It was added before such MACs were refused: phones of "
        "all groups ask for a file of such a name.",
        ("Ask the group for the MAC that is printed on the phone, add that one, and remove this device.",),
    )


def _no_request(facts: Facts) -> Diagnosis:
    return waiting(
        facts,
        "This phone has never sent a request.",
        "No request for its MAC is known. The phone has not failed here: it has not reached this service.",
        "Check that the phone has power and a network: it should show an IP address of its own.",
        f"Compare the MAC on the phone with {display(facts.device.mac)}: one wrong digit is another phone.",
        "Check the redirect address that the phone is given, in its own settings or by DHCP (often option 160 or "
        "66). It must be the address of this service.",
        "Check that the firewall of its site lets the phone reach this service.",
    )


def _no_known_form(facts: Facts, hint: Hint) -> Diagnosis:
    mac = facts.device.mac
    found = waiting(
        facts,
        "The phone reaches this service, but has asked only for files that are no known form.",
        f"A phone whose User-Agent carries this MAC asked for {hint.path} {moment(hint.time, facts.now)}, and got "
        "“not found”: in no known form does that name a MAC. A User-Agent alone proves nothing, so nothing was "
        "counted; but the network is not at fault.",
        "Check the auto-provisioning path that is set in the phone, or that it is given by DHCP. It should be the "
        "address of this service alone, ending in a slash: then most phones ask for a file of their own.",
        "If the phone asks for exactly what is set, its MAC must stand there: as the last part of the path "
        f"(/{mac}), in the name of the file (/{mac}.cfg), as a directory (/{mac}/), or in the query "
        f"(/?mac={mac}). Write the placeholder for the MAC that the phone's manual names.",
        "If it asks for that file before its own, as some do for firmware, wait for its next request.",
    )
    return replace(found, severity=Severity.WARNING)


def _request_not_kept(facts: Facts) -> Diagnosis:
    time = facts.device.last_access
    assert time is not None
    if facts.device.last_access_status == AccessStatus.FAIL:
        headline = "Its last request was refused; the log does not go back far enough to tell why."
    else:
        headline = "Its last request was redirected, a long time ago."
    return waiting(facts, headline, f"The request came {moment(time, facts.now)}, and the log no longer holds it.")


def _unknown(facts: Facts) -> Diagnosis:
    return waiting(
        facts,
        "The last request came before the device was added.",
        f"When it came, {facts.when}, no group owned this MAC, so it was refused. No request has come since.",
    )


def _moved(facts: Facts) -> Diagnosis:
    owner = facts.last_owner or "a group that was deleted"
    return waiting(
        facts,
        f"No request has come since the device was moved to {facts.device.group.name}.",
        f"The last request came {facts.when}. At that time the device belonged to {owner}, so its outcome tells "
        "nothing about now.",
    )


def _redirected(facts: Facts) -> Diagnosis:
    request, location = facts.request, facts.device.location
    sent_to = _expanded(request, facts.device)
    if location is None:
        return waiting(
            facts,
            "Its location was removed after its last request.",
            f"It was redirected {facts.when}, to {sent_to}.",
        )
    if facts.certificate_required and request.certificate_subject is None:
        return Diagnosis(
            Severity.WARNING,
            "The next request will be refused unless the phone shows its certificate.",
            f"It was redirected {facts.when}, without a certificate. Since then its location requires one.",
            (HTTPS, *proxy_step(facts), RESTART),
            facts.given.url,
        )
    if request.location_url != location.url:
        return waiting(
            facts,
            "Its location has changed since its last request.",
            f"It was redirected {facts.when}, to {sent_to}. No request has come since.",
        )
    host = urlsplit(sent_to or "").hostname
    way = "answered" if facts.given.maker else "redirected"
    return Diagnosis(
        Severity.GOOD,
        f"The phone was {way}: nothing failed here.",
        f"Its request came {facts.when}, and it was told to fetch its configuration from the address below."
        f"{facts.about_url}",
        (
            "If it still has no configuration, the fault lies behind that address, not in this service. Ask the "
            f"operator of {host} whether the phone's request arrived there, and whether the file exists.",
            f"Check that the network of the phone can resolve and reach {host}.",
            "If it should go to another address, change its location, and restart the phone.",
        ),
        facts.given.url,
    )


def _no_location(facts: Facts) -> Diagnosis:
    if facts.device.location is not None:
        return fixed(facts, "it had no location, and now it has one")
    return Diagnosis(
        Severity.BAD,
        "Refused: the device has no location.",
        f"Its request came {facts.when}. It is known as a device of {facts.device.group.name}, but no address is "
        "set to send it to.",
        (GIVE_LOCATION, RESTART),
    )


def _certificate_required(facts: Facts) -> Diagnosis:
    if not facts.certificate_required:
        return _certificate_not_required(facts, "its location required a certificate, and it showed none")
    why = f"Its location requires the phone's own certificate, and its request {facts.when} came without one."
    if facts.certificate_shown is not None:
        why += f" It did show one {moment(facts.certificate_shown, facts.now)}, so it has one."
    return Diagnosis(
        Severity.BAD,
        "Refused: the phone showed no certificate.",
        why,
        (
            *proxy_step(facts),
            HTTPS,
            "If a proxy or firewall at its site decrypts connections, the certificate is lost there: let the "
            "phone reach this service directly.",
            "If all phones of this location fail in this way, tell the platform operator: the proxy before this "
            "service must ask phones for their certificate, and pass it on.",
            NOT_REQUIRED,
            RESTART,
        ),
    )


def _certificate_mismatch(facts: Facts) -> Diagnosis:
    if not facts.certificate_required:
        return _certificate_not_required(facts, "its location required a certificate, and it was not accepted")
    subject, mac = facts.request.certificate_subject, display(facts.device.mac)
    named = mac_named_in(subject or "")
    steps: tuple[str, ...]
    shown = f"Its request {facts.when} came with a certificate whose subject is {subject}."
    own = f"Its location accepts only the certificate of {mac} itself."
    if cause := cause_of(facts.request.certificate_problem):
        headline = f"Refused: the phone's certificate {cause.headline}."
        why = f"{shown} {cause.why}" if subject else cause.why
        steps = cause.steps
    elif named == facts.device.mac:
        headline = "Refused: the phone's certificate is not valid."
        why = f"{shown} That names this phone, but the certificate was not accepted."
        steps = ("Check its validity dates (it may have expired, or not begun), its issuer (CA), and its usage.",)
    elif named is not None:
        headline = "Refused: the certificate belongs to another device."
        why = f"{shown} That is the device {display(named)}. {own}"
        steps = (
            f"Compare both MACs with the label of the phone. If the label says {display(named)}, that is the "
            "device to look after: find it by its MAC.",
            "If the certificate was copied from another phone, give this one its own, or reset it to the "
            "certificate from the factory.",
        )
    else:
        headline = "Refused: the certificate is not this phone's own."
        why = f"{shown if subject else f'The certificate of its request {facts.when} cannot be read.'} {own}"
        steps = ("Reset the phone to its certificate from the factory, which names its MAC.",)
    return Diagnosis(Severity.BAD, headline, why, (*steps, *proxy_step(facts), NOT_REQUIRED, RESTART))


def _certificate_not_required(facts: Facts, then: str) -> Diagnosis:
    if facts.device.location is None:
        return waiting(
            facts,
            "Its location was removed after its last request.",
            f"It was refused {facts.when}, because {then}.",
        )
    return fixed(facts, f"{then}. Its location no longer requires one")


BY_OUTCOME: dict[Outcome, Callable[[Facts], Diagnosis]] = {
    Outcome.REDIRECTED: _redirected,
    Outcome.NO_LOCATION: _no_location,
    Outcome.CERTIFICATE_REQUIRED: _certificate_required,
    Outcome.CERTIFICATE_MISMATCH: _certificate_mismatch,
    Outcome.UNKNOWN: _unknown,
}


def _expanded(request: Access, device: Device) -> str | None:
    """Where the last request was sent, by the template of that time and the file that it asked for."""
    name = shape_of(request).file_name
    template = request.location_url
    return template and url_template.expand(template, mac=device.mac, customer=device.group.name, file_name=name)
