"""The index behind "contains, in any case" on PostgreSQL; on other databases there is nothing to create."""

from typing import Any

from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.models import Model
from django.db.models.functions import Upper

NOTHING = "SELECT 1"


class TrigramIndex(GinIndex):
    """A trigram index; use `trigram_index` to make one."""

    def create_sql(
        self, model: type[Model], schema_editor: BaseDatabaseSchemaEditor, using: str = "", **kwargs: Any
    ) -> Any:
        if schema_editor.connection.vendor != "postgresql":
            return NOTHING
        return super().create_sql(model, schema_editor, using=using, **kwargs)

    def remove_sql(self, model: type[Model], schema_editor: BaseDatabaseSchemaEditor, **kwargs: Any) -> Any:
        if schema_editor.connection.vendor != "postgresql":
            return NOTHING
        return super().remove_sql(model, schema_editor, **kwargs)


def trigram_index(column: str, name: str) -> TrigramIndex:
    """The index for `column__icontains`, which PostgreSQL is asked as UPPER(column) LIKE UPPER(…)."""
    return TrigramIndex(OpClass(Upper(column), name="gin_trgm_ops"), name=name)
