"""The deny list of certificates in the admin: effective with a phone's next request."""

import re
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from unfold.widgets import UnfoldAdminTextareaWidget

from boot.certificate import MAX_NAME, names_of
from desk.admin.base import TableAdmin, TableForm
from devices.models import DeniedCertificate

_FINGERPRINT = re.compile(r"(?:sha-?256(?: fingerprint)?[ =:]*)?((?:[0-9a-f]{2}:?){31}[0-9a-f]{2})", re.IGNORECASE)
_SERIAL = re.compile(
    r"(?:serial[ =:]*)?(?:0x)?((?:[0-9a-f]{1,2}:)*[0-9a-f]{1,40})\s+(?:issuer[ =:]*)?(\S.*)", re.IGNORECASE
)

HELP = (
    "One of three: the certificate itself as PEM text; its SHA-256 fingerprint, which the page of a device shows; "
    "or its serial number in hex digits, and its issuer as `openssl x509 -issuer -nameopt RFC2253` has it."
)


class DeniedCertificateForm(TableForm):
    """Takes a certificate in any of its names, and keeps the one that phones are compared by."""

    name = forms.CharField(
        label="Certificate", help_text=HELP, max_length=10_000, widget=UnfoldAdminTextareaWidget(attrs={"rows": 4})
    )

    def clean_name(self) -> str:
        """The name in the form of boot/certificate.py, `names_of`."""
        text = str(self.cleaned_data["name"]).strip()
        if "BEGIN CERTIFICATE" in text:
            # A certificate as a proxy hands it on is percent-encoded, and so this one must be.
            names = names_of(text.replace("%", "%25"))
            if names is None:
                raise ValidationError("This is not one certificate in PEM form.")
            name = names[0]
        elif found := _FINGERPRINT.fullmatch(text):
            name = "sha256 " + found[1].replace(":", "").lower()
        elif found := _SERIAL.fullmatch(text):
            name = f"{int(found[1].replace(':', ''), 16):x} {found[2]}"
        else:
            raise ValidationError("This is no certificate, no fingerprint, and no serial number with an issuer.")
        if len(name) > MAX_NAME:
            raise ValidationError(f"The issuer is too long: at most {MAX_NAME} characters with the serial number.")
        return name

    class Meta:
        model = DeniedCertificate
        fields: ClassVar = ["name", "reason"]


@admin.register(DeniedCertificate)
class DeniedCertificateAdmin(TableAdmin):
    """Certificates that prove nothing, whatever their issuer."""

    form = DeniedCertificateForm
    fields = ("name", "reason", "created_at")
    fixed_fields = ("name",)
    readonly_fields = ("created_at",)
    list_display = ("name", "reason", "created_at")
    search_fields = ("name", "reason")
    sortable_by = ("created_at",)

    def get_form(self, request: Any, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """What stands on the list is not changed to another certificate: only the reason is asked for."""
        if change:
            kwargs["form"] = TableForm
        return super().get_form(request, obj, change=change, **kwargs)
