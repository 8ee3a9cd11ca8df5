"""What a newcomer clones and an operator builds from: no secrets, no addresses, no surprises at the start."""

import os
import re
import runpy
import shutil
import socket
import stat
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import django
import pytest
import yaml

from redirect import urls

ROOT = Path(__file__).resolve().parent.parent
SECRET = re.compile(r"SECRET|PASSWORD|KEY|TOKEN|DATABASE_URL")
locks = runpy.run_path(str(ROOT / "tools/locks"))

HASH = "    --hash=sha256:" + "0" * 64


def test_locks_are_hashed_and_in_step_and_name_no_address() -> None:
    assert locks["complaints"]() == []


@pytest.mark.parametrize(
    "text",
    [
        "django==5.2.19",
        "django==5.2.19 \\",
        "django>=5.2 \\\n" + HASH,
        f"django==5.2.19 \\\n{HASH} \\\nasgiref==3.13.0 \\\n{HASH}",
        f"--index-url https://packages.example/simple\ndjango==5.2.19 \\\n{HASH}",
        f"django @ https://packages.example/django.whl \\\n{HASH}",
        f"# from https://packages.example\ndjango==5.2.19 \\\n{HASH}",
    ],
)
def test_a_bad_lock_is_noticed(text: str) -> None:
    pins, complaints = locks["read"](text)
    assert complaints or locks["unmet"](["django~=5.2.19"], pins)


def test_a_requirement_that_is_not_locked_is_noticed() -> None:
    pins, complaints = locks["read"](f"django==5.2.19 \\\n{HASH}\n    # via -r pyproject.toml\n")
    assert complaints == []
    assert locks["unmet"](["Django~=5.2.19"], pins) == []
    assert locks["unmet"](["django>=6", "gunicorn"], pins) == [
        "django>=6 is locked at 5.2.19",
        "gunicorn is not locked",
    ]


def test_compose_has_no_default_for_a_secret() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    seen = 0
    for service in compose["services"].values():
        for name, value in service.get("environment", {}).items():
            if SECRET.search(name):
                seen += 1
                assert re.search(r"\$\{\w+:\?[^}]+\}", value), f"{name} must come from outside"
                assert not re.search(r"\$\{\w+:?-", value), f"{name} has a default"
    assert seen >= 4


def test_the_image_gets_no_secrets_and_no_data() -> None:
    rules = [line for line in (ROOT / ".dockerignore").read_text().split() if not line.startswith("#")]
    assert "*" in rules
    assert not {"!.env", "!var", "!.git", "!tests"} & set(rules)


def test_the_image_gets_every_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    rules = (ROOT / ".dockerignore").read_text().split()
    packages = project["tool"]["importlinter"]["root_packages"]
    assert [package for package in packages if f"!{package}" not in rules] == []
    compiled = re.search(r"compileall -q ([a-z ]+)", (ROOT / "Dockerfile").read_text())
    assert compiled is not None
    assert compiled[1].split() == sorted(packages, key=compiled[1].split().index)


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a git clone")
def test_git_ignores_what_belongs_to_one_installation() -> None:
    private = [
        ".env",
        ".env.local",
        "var/redirect.sqlite3",
        "var/static/staticfiles.json",
        ".venv/x",
        ".tools/x",
    ]
    asked = subprocess.run(["git", "check-ignore", *private], cwd=ROOT, capture_output=True, text=True)
    assert asked.stdout.split() == private


def run_in(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a copy of tools/run that thinks `folder` is the project."""
    (folder / "tools").mkdir(exist_ok=True)
    shutil.copy(ROOT / "tools/run", folder / "tools/run")
    return subprocess.run(
        [sys.executable, "tools/run", *arguments],
        cwd=folder,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_a_taken_port_is_one_clear_line_before_anything_is_done(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        answer = run_in(tmp_path, PORT=port)
    assert answer.returncode == 1
    assert answer.stdout == ""
    assert answer.stderr.count("\n") == 1
    assert f"Cannot listen on 127.0.0.1:{port}" in answer.stderr
    assert not (tmp_path / ".env").exists()


@pytest.mark.parametrize("port", ["0", "65536", "http", "-1", "8000 "])
def test_a_port_that_is_none_is_refused(tmp_path: Path, port: str) -> None:
    answer = run_in(tmp_path, "--check-port", PORT=port)
    assert answer.returncode == 1
    assert "is not a port" in answer.stderr


def test_secrets_are_made_once_and_for_their_owner_only(tmp_path: Path) -> None:
    write_secrets = runpy.run_path(str(ROOT / "tools/run"))["write_secrets"]
    file = tmp_path / ".env"
    write_secrets(file)
    first = file.read_text()
    write_secrets(file)
    assert file.read_text() == first
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    values = dict(line.split("=", 1) for line in first.splitlines() if not line.startswith("#"))
    assert set(values) == {"SECRET_KEY", "JWT_SIGNING_KEY", "HTTPS"}
    assert len({values["SECRET_KEY"], values["JWT_SIGNING_KEY"]}) == 2
    assert min(len(values["SECRET_KEY"]), len(values["JWT_SIGNING_KEY"])) >= 50


@pytest.mark.parametrize(("serve", "sound"), [("", True), ("all", True), ("api", True), ("phones", False)])
def test_gunicorn_is_configured_for_all_and_for_the_api_alone(serve: str, sound: bool) -> None:
    secrets = {"SECRET_KEY": "s" * 40, "JWT_SIGNING_KEY": "j" * 40}
    checked = subprocess.run(
        [sys.executable, "-m", "gunicorn", "--check-config", "-c", "deploy/gunicorn.conf.py"],
        cwd=ROOT,
        env=os.environ | secrets | {"SERVE": serve},
        capture_output=True,
        text=True,
    )
    assert (checked.returncode == 0) == sound, checked.stderr
    assert sound or "SERVE=phones must be all or api" in checked.stderr


def test_nginx_knows_what_is_no_phones() -> None:
    """The list stands in deploy/nginx.conf twice: for all, and for requests with a bad certificate."""
    text = (ROOT / "deploy/nginx.conf").read_text()
    by_map = re.findall(r'"~(\^[^"]+)" api;', text)
    by_location = re.findall(r"location ~ (\S+) {", text)
    own = {str(getattr(address, "pattern", "")).split("/")[0] for address in urls.urlpatterns} - {""} | {
        "static",
        "metrics",
    }
    for listed in (by_map, by_location):
        assert set(re.findall("[a-z]+", "|".join(listed))) == own
        known = re.compile("|".join(listed))
        assert all(known.search(f"/{name}") for name in own)
        assert not known.search("/00908F9D8992")


def test_the_wheel_has_every_file_of_every_package(tmp_path: Path) -> None:
    """Templates, static files, migrations and tables are no Python, and are easily left behind."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    built = subprocess.run(build, cwd=ROOT, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    [wheel] = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        inside = {name for name in archive.namelist() if ".dist-info/" not in name}
    kept = {
        str(file.relative_to(ROOT))
        for package in packages
        for file in (ROOT / package).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    assert inside == kept
    assert set(packages) == set(project["tool"]["importlinter"]["root_packages"])


def test_the_licences_are_listed_and_allowed() -> None:
    listed = subprocess.run([sys.executable, "tools/licences"], cwd=ROOT, capture_output=True, text=True)
    assert listed.returncode == 0, listed.stderr
    assert listed.stdout == (ROOT / "docs/licences.md").read_text(), "tools/licences > docs/licences.md"


@pytest.mark.parametrize(
    "licence", ["GPL-3.0-only", "AGPL-3.0", "GNU General Public License v3", "", "Proprietary"]
)
def test_a_licence_that_binds_the_service_is_refused(licence: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = runpy.run_path(str(ROOT / "tools/licences"))
    monkeypatch.setitem(module["table"].__globals__, "licence_of", lambda package: licence)
    with pytest.raises(ValueError, match="is under"):
        module["table"]()


@pytest.mark.parametrize("licence", ["LGPL-3.0-only", "MIT", "Apache-2.0 OR BSD-3-Clause", "MPL-2.0 AND MIT"])
def test_a_licence_that_does_not_is_allowed(licence: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = runpy.run_path(str(ROOT / "tools/licences"))
    monkeypatch.setitem(module["table"].__globals__, "licence_of", lambda package: licence)
    assert f"| {licence} |" in module["table"]()


def redirect_service(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = "from redirect.command_line import main; main()"
    return subprocess.run([sys.executable, "-c", command, *arguments], cwd=ROOT, capture_output=True, text=True)


def test_the_command_manages_and_refuses_what_it_does_not_know() -> None:
    assert redirect_service("manage", "version").stdout.strip() == django.get_version()
    assert "usage: redirect-service housekeeping" in redirect_service("housekeeping", "--help").stdout
    assert "usage: redirect-service run_jobs" in redirect_service("jobs", "--help").stdout
    assert redirect_service("--version").returncode == 0
    unknown = redirect_service("nothing")
    assert (unknown.returncode, "invalid choice: 'nothing'" in unknown.stderr) == (2, True)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is missing")
def test_systemd_has_nothing_to_say_about_the_units() -> None:
    checked = subprocess.run(["tools/units"], cwd=ROOT, capture_output=True, text=True)
    assert (checked.returncode, checked.stderr) == (0, "")
    assert checked.stdout.count("Overall exposure") == 4
