"""Indexes that PostgreSQL has and other databases have not."""

from typing import Any

from django.contrib.postgres.indexes import BrinIndex, GinIndex, OpClass
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.models import Index, Model
from django.db.models.functions import Upper

NOTHING = "SELECT 1"


class TrigramIndex(GinIndex):
    """A trigram index, nothing on other databases; use `trigram_index` to make one."""

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


class GrowingIndex(BrinIndex):
    """A block range index for a column that grows as rows are inserted; on other databases a B-tree."""

    def create_sql(
        self, model: type[Model], schema_editor: BaseDatabaseSchemaEditor, using: str = "", **kwargs: Any
    ) -> Any:
        if schema_editor.connection.vendor != "postgresql":
            return Index.create_sql(self, model, schema_editor, using=using, **kwargs)
        return super().create_sql(model, schema_editor, using=using, **kwargs)
