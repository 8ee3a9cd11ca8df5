"""A tenant and its phones, as fault tests make them."""

LOGIN, PASSWORD = "admin", "correct horse 7 battery"
DEVICES = 20_000
LOCATIONS = 200
FIRST_MAC = 0x00908F000000

# A program for `manage.py shell`.
SEED = f"""
from accounts.models import Group, User
from devices.models import Device
from locations.models import Location
reseller = Group.objects.create(name="Reseller", group_type="Reseller")
group = Group.objects.create(name="Provider", group_type="Provider", reseller=reseller)
user = User(login="{LOGIN}", group=group, permission_level="Administrator", first_name="A", last_name="B")
user.set_password("{PASSWORD}")
user.save()
places = Location.objects.bulk_create(
    Location(group=group, url=f"https://pbx{{n}}.example/{{{{MAC ADDRESS}}}}") for n in range({LOCATIONS})
)
Device.objects.bulk_create(
    (
        Device(group=group, mac=f"{{{FIRST_MAC} + n:012X}}", location=places[n % {LOCATIONS}])
        for n in range({DEVICES})
    ),
    batch_size=2000,
)
"""


def macs() -> list[str]:
    """All phones that are known and redirected."""
    return [mac(FIRST_MAC + number) for number in range(DEVICES)]


def mac(number: int) -> str:
    """A MAC as a phone asks for it."""
    return f"{number:012X}"
