"""A migration can be applied while the service runs: old code goes on with the new tables, and no phone waits."""

from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings
from django.db import connection
from django_migration_linter import MigrationLinter

# What was there before the first release, or holds only tables that phones and API calls do not wait for.
ACCEPTED = {
    "0003_answer_with_settings": "before the first release",
    "0005_find_accesses_by_group_and_time": "before the first release",
    "0006_find_accesses_by_mac_and_time": "before the first release",
    "0010_keep_imports_by_jobs": "before the first release",
    "0012_choose_sheets_and_restore_numbers": "before the first release",
    "0002_servers_and_uploads": "before the first release of device management",
    "0021_imports_of_groups": "imports are few, and wait for their job anyway",
}


def test_no_migration_stops_what_runs(db: None, capsys: pytest.CaptureFixture[str]) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one process, which is stopped for an upgrade")
    ours = [app.label for app in apps.get_app_configs() if Path(app.path).parent == settings.CODE_DIR]
    linter = MigrationLinter(
        include_apps=ours,
        ignore_name=list(ACCEPTED),
        ignore_initial_migrations=True,
        analyser_string="postgresql",
        no_cache=True,
        quiet=["ok", "ignore"],
    )
    linter.lint_all_migrations()
    assert linter.nb_valid > 20
    assert (linter.nb_erroneous, linter.nb_warnings) == (0, 0), capsys.readouterr().out
