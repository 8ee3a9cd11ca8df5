"""The address of a PostgreSQL server, read by libpq: several hosts, certificates, keepalives, socket folders.

Source: PostgreSQL documentation 34.1, "Database Connection Control Functions".
"""

from typing import Any

import psycopg
from django.core.exceptions import ImproperlyConfigured
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import Conninfo

PARAMETERS = frozenset(option.keyword.decode("ascii") for option in Conninfo.get_defaults())


def parse(url: str, variable: str) -> dict[str, Any]:
    """Return the parameters of `postgres://user:password@host:port,host:port/name?parameter=value&…`.

    Raises ImproperlyConfigured, naming the variable but nothing of its value, which holds a password.
    """
    try:
        return dict(conninfo_to_dict(url))
    except psycopg.Error:
        raise ImproperlyConfigured(
            f"{variable} cannot be read. In the user name and the password all but letters and digits must be "
            "percent-encoded, and what follows the ? must be parameters of libpq: target_session_attrs, sslmode, "
            "sslrootcert, ... (PostgreSQL documentation 34.1.2)."
        ) from None


def with_settings(parameters: dict[str, Any], *settings: str) -> dict[str, Any]:
    """Return the parameters with settings of the server, `name=value`, behind those that `options` has already.

    Where both name the same setting, the one behind holds.
    """
    options = [parameters.get("options", ""), *(f"-c {setting}" for setting in settings)]
    return parameters | {"options": " ".join(filter(None, options))} if any(options) else dict(parameters)


def libpq_only(parameters: dict[str, Any]) -> dict[str, Any]:
    """Return those parameters that are libpq's; Django's connections have others, too."""
    return {name: value for name, value in parameters.items() if name in PARAMETERS}


def django_entry(url: str, variable: str) -> dict[str, Any]:
    """Return Django's entry of DATABASES for the address; a server that takes no writes is passed over."""
    parameters = {"connect_timeout": 3, "target_session_attrs": "read-write"} | parse(url, variable)
    names = {"NAME": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host", "PORT": "port"}
    entry: dict[str, Any] = {name: parameters.pop(its, "") for name, its in names.items()}
    return {"ENGINE": "django.db.backends.postgresql", **entry, "OPTIONS": parameters}
