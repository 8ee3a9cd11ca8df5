"""The index of a column that grows as rows are inserted: nearly free on PostgreSQL, a B-tree elsewhere."""

from typing import Any

from django.contrib.postgres.indexes import BrinIndex
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.models import Index, Model


class GrowingIndex(BrinIndex):
    """A block range index; on other databases a B-tree."""

    def create_sql(
        self, model: type[Model], schema_editor: BaseDatabaseSchemaEditor, using: str = "", **kwargs: Any
    ) -> Any:
        if schema_editor.connection.vendor != "postgresql":
            return Index.create_sql(self, model, schema_editor, using=using, **kwargs)
        return super().create_sql(model, schema_editor, using=using, **kwargs)
