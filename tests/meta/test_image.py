"""Dockerfile and docker-compose.yml against the code: commands, variables, addresses, secrets, steps."""

import ast
import re
import shlex
import sys
import tomllib
from importlib.metadata import packages_distributions
from typing import Any

import pytest
from celery.app.utils import find_app
from django.core.management import get_commands
from django.urls import resolve
from django.utils.module_loading import import_string

from clinic.celery import app
from clinic.operations.streaming import NAME
from tests.meta.image import (
    OURS,
    command_of,
    compose,
    environment_of,
    example,
    filled,
    health_command_of,
    instructions,
    references,
    services,
    stages,
    variables,
)
from tests.meta.settings_names import read_by
from tests.meta.source import APPLICATION, ROOT, modules

# Read by gunicorn and Docker Compose themselves, not by our settings.
NOT_SETTINGS = {"WEB_CONCURRENCY", "DJANGO_SETTINGS_MODULE"}
SECRET = re.compile(r"SECRET|PASSWORD|TOKEN|KEY|ACCOUNT_SID")
GIVEN = {
    "SECRET_KEY": "k" * 50,
    "POSTGRES_PASSWORD": "p" * 24,
    "ALLOWED_HOSTS": "onset.example.org",
    "PUBLIC_URL": "https://onset.example.org",
    "SMTP_HOST": "mailpit",
}


def makefile() -> str:
    return (ROOT / "Makefile").read_text().replace("\\\n", " ")


def is_seconds(value: str) -> bool:
    return re.fullmatch(r"[1-9][0-9]*s", value) is not None


# --- the parts ---------------------------------------------------------------------------------


def test_the_parts_are_there() -> None:
    assert set(services()) == {"postgres", "redis", *OURS, "mailpit"}
    assert services()["postgres"]["image"] == "postgres:18"
    assert services()["redis"]["image"].startswith("redis:")
    for name, service in services().items():
        _image, _, version = service["image"].partition(":")
        assert "build" in service or version not in {"", "latest"}, f"{name} could change under us"


def test_postgres_keeps_its_data_where_version_18_puts_it() -> None:
    assert services()["postgres"]["volumes"] == ["postgres:/var/lib/postgresql"]
    assert "postgres" in compose()["volumes"]


def test_redis_keeps_what_it_was_told() -> None:
    command = command_of("redis")
    assert command[command.index("--appendonly") + 1] == "yes"
    assert services()["redis"]["volumes"] == ["redis:/data"]
    assert "redis" in compose()["volumes"]


def test_backups_and_wal_share_a_volume_that_is_theirs() -> None:
    for name in ("wal", "backup"):
        assert services()[name]["volumes"] == ["backups:/backups"]
        assert command_of(name)[-2:] == ["--to", "/backups"]
        assert services()[name]["networks"] == ["data"], "it asks nobody but the database"
    assert "backups" in compose()["volumes"]
    user, _, group = services()["backup"]["user"].partition(":")
    [made] = [rest.split() for word, rest in stages()[-1] if word == "RUN" and rest.split()[-1] == "/backups"]
    assert {f"--owner={user}", f"--group={group}", "--mode=0700"} <= set(made)


def test_the_image_has_the_programs_of_the_server_that_is_backed_up() -> None:
    _image, _, major = services()["postgres"]["image"].partition(":")
    [install] = [rest for word, rest in stages()[-1] if word == "RUN" and "apt-get install" in rest]
    assert f"postgresql-{major}" in shlex.split(install)
    assert "create_main_cluster = false" in install, "no server of its own"


def test_the_server_lets_itself_be_copied_with_a_password_only() -> None:
    command = command_of("postgres")
    [mounted] = services()["postgres"]["configs"]
    assert f"-chba_file={mounted['target']}" in command
    rules = [line.split() for line in compose()["configs"][mounted["source"]]["content"].splitlines()]
    loopback = {"127.0.0.1/32", "::1/128"}
    assert {rule[-1] for rule in rules if rule[0] == "host" and rule[3] not in loopback} == {"scram-sha-256"}
    assert ["host", "replication", "all", "all", "scram-sha-256"] in rules
    assert "-csynchronous_standby_names=${SYNCHRONOUS_STANDBY_NAMES:-}" in command
    assert NAME in health_command_of("wal")[-1], "it asks for the receiver by the name it gives itself"


def test_workers_can_be_added_and_beat_is_one() -> None:
    assert not {"container_name", "ports", "hostname"} & set(services()["worker"])
    assert services()["beat"]["deploy"]["replicas"] == 1
    assert "--enable-remote-control" in command_of("beat"), "its health check asks it"


def test_all_of_ours_run_one_image_as_nobody_in_particular() -> None:
    for name in OURS:
        service = services()[name]
        assert service["image"] == "onset:latest", name
        assert service["build"] == ".", name
        assert service["read_only"] is True, name
        assert service["tmpfs"] == ["/tmp"], name  # noqa: S108
        assert service["cap_drop"] == ["ALL"], name
        user, _, group = service["user"].partition(":")
        assert int(user) > 0, name
        assert int(group) > 0, name
    assert ("USER", services()["web"]["user"]) in stages()[-1]


def test_every_part_is_watched_restarted_and_stopped_with_patience() -> None:
    for name, service in services().items():
        assert is_seconds(service["stop_grace_period"]), name
        if name in {"migrate", "backup"}:
            assert service["restart"] == "no"
            assert service["healthcheck"] == {"disable": True}
            continue
        assert service["restart"] == "unless-stopped", name
        check = service["healthcheck"]
        assert is_seconds(check["interval"]), name
        assert is_seconds(check["timeout"]), name
        assert check["retries"] >= 1, name


def test_nothing_of_ours_starts_before_the_migrations_are_done() -> None:
    assert services()["migrate"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    for name in ("web", "worker", "beat"):
        assert services()[name]["depends_on"] == {
            "migrate": {"condition": "service_completed_successfully"},
            "redis": {"condition": "service_healthy"},
        }


def test_data_cannot_be_reached_from_outside() -> None:
    assert compose()["networks"]["data"] == {"internal": True}
    for name in ("postgres", "redis"):
        assert services()[name]["networks"] == ["data"]
        assert "ports" not in services()[name]
    published = [port for service in services().values() for port in service.get("ports", [])]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


# --- commands and addresses against the code ---------------------------------------------------


def test_the_web_application_exists() -> None:
    program, target, *_options = command_of("web")
    assert program == "gunicorn"
    assert callable(import_string(target.replace(":", ".")))
    assert "--preload" in command_of("web"), "else a wrong setting is a loop of dying workers"


@pytest.mark.parametrize("service", ["worker", "beat"])
def test_the_celery_application_exists(service: str) -> None:
    program, application, command, *_options = command_of(service)
    assert program == "celery"
    assert command == service
    assert find_app(application.removeprefix("--app=")) is app
    assert application in " ".join(health_command_of(service))


def test_the_management_commands_exist() -> None:
    for service in ("migrate", "wal", "backup"):
        words = command_of(service)
        assert words[:2] == ["python", "manage.py"]
        assert words[2] in get_commands()
    for word, rest in instructions():
        if word == "RUN" and "manage.py" in rest:
            assert rest.split("manage.py ")[1].split()[0] in get_commands()


def test_the_health_check_asks_a_real_address_on_the_port_that_is_served() -> None:
    script = health_command_of("web")[-1]
    [(port, path)] = re.findall(r"http://127\.0\.0\.1:(\d+)(/\w*)", script)
    assert resolve(path).view_name == "readyz"
    command = command_of("web")
    assert command[command.index("--bind") + 1] == f"0.0.0.0:{port}"
    assert services()["web"]["ports"] == [f"127.0.0.1:{port}:{port}"]
    assert ("EXPOSE", port) in stages()[-1]


# --- variables ---------------------------------------------------------------------------------


@pytest.mark.parametrize("service", OURS)
def test_variables_are_those_the_settings_read(service: str) -> None:
    given = set(services()[service]["environment"])
    assert given - NOT_SETTINGS - set(read_by("base")) == set()


@pytest.mark.parametrize("service", OURS)
def test_whatever_production_can_be_told_can_be_told_here(service: str) -> None:
    wanted = set(read_by("base"))
    if service != "web":
        wanted.remove("DATABASE_POOL")
    assert wanted - set(services()[service]["environment"]) == set()


@pytest.mark.parametrize("service", OURS)
def test_required_variables_are_required(service: str) -> None:
    environment = services()[service]["environment"]
    for name in (name for name, required in read_by("base").items() if required):
        value = environment[name]
        assert value, name
        assert ":-" not in references(value).values(), f"{name} has a default here"
    assert environment["DJANGO_SETTINGS_MODULE"] == "clinic.settings.base"


def test_only_the_web_shares_connections_between_threads() -> None:
    pools = {name: services()[name]["environment"].get("DATABASE_POOL") for name in OURS}
    assert pools == {**dict.fromkeys(OURS), "web": "1"}


def test_the_urls_lead_to_the_other_parts() -> None:
    environment = environment_of("web", GIVEN)
    database = services()["postgres"]["environment"]
    who = f"{database['POSTGRES_USER']}:{GIVEN['POSTGRES_PASSWORD']}"
    assert environment["DATABASE_URL"] == f"postgresql://{who}@postgres:5432/{database['POSTGRES_DB']}"
    assert environment["REDIS_URL"].startswith("redis://redis:6379/")


def test_the_example_names_everything_required_and_nothing_unknown() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    asked = references(text)
    required = {name for name, kind in asked.items() if kind == ":?"}
    assert required <= set(example())
    assert set(example()) - set(asked) == {"COMPOSE_PROFILES"}
    assert example()["COMPOSE_PROFILES"] in services()["mailpit"]["profiles"]
    assert example()["SMTP_HOST"] in services()


def test_compose_itself_refuses_when_something_required_is_missing() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    required = {name for name, kind in references(text).items() if kind == ":?"}
    assert required == set(GIVEN)
    for name in required:
        with pytest.raises(KeyError, match=name):
            filled(text, {**GIVEN, name: ""})


# --- secrets -----------------------------------------------------------------------------------


def literal_secrets(environment: dict[str, Any]) -> set[str]:
    """Variables that look secret and hold anything of their own."""
    return {
        name
        for name, value in environment.items()
        if SECRET.search(name) and not re.fullmatch(r"\$\{[A-Z_]+(:\?[^}]*|:-)\}", str(value))
    }


def test_no_secret_is_written_down() -> None:
    for name, service in services().items():
        assert literal_secrets(service.get("environment", {})) == set(), name
        assert "env_file" not in service, "it would hand every name in .env to every container"
    for value in services()["web"]["environment"].values():
        credentials = re.search(r"://[^@/]*:([^@/]*)@", re.sub(r"\$\{(\w+)[^}]*\}", r"$\1", value))
        assert credentials is None or credentials[1].startswith("$")
    assert {name: value for name, value in example().items() if SECRET.search(name) and value} == {}


def test_the_search_for_secrets_finds_them() -> None:
    assert literal_secrets({"SECRET_KEY": "abc", "SMTP_PASSWORD": "${SMTP_PASSWORD:-hunter2}"}) == {
        "SECRET_KEY",
        "SMTP_PASSWORD",
    }


def test_what_is_secret_stays_out_of_git_and_of_the_image() -> None:
    assert ".env" in (ROOT / ".gitignore").read_text().splitlines()
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert next(line for line in ignored if line and not line.startswith("#")) == "*"
    allowed = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    assert allowed == {"LICENSE", "manage.py", "pyproject.toml", "uv.lock", *APPLICATION}
    for stage in stages():
        assert not [name for name in (variables(stage) | variables(stage, "ARG")) if SECRET.search(name)]


def test_the_build_makes_its_own_key_and_keeps_it_nowhere() -> None:
    [step] = [rest for word, rest in instructions() if word == "RUN" and "collectstatic" in rest]
    assert re.search(r'SECRET_KEY="\$\(python3 -c [^)]*secrets\.token', step)
    given = set(re.findall(r"\b([A-Z_]+)=", step))
    # SMTP_HOST is asked for unless a provider carries the e-mail.
    assert given == {name for name, required in read_by("base").items() if required} | {"SMTP_HOST"}


# --- the steps are those of make ---------------------------------------------------------------


def test_uv_is_the_one_that_make_installs() -> None:
    [wanted] = re.findall(r"^UV_VERSION *[:?]?= *(\S+)$", makefile(), re.MULTILINE)
    assert variables(stages()[0], "ARG")["UV_VERSION"] == wanted


def test_uv_is_installed_as_make_does() -> None:
    [by_make] = re.findall(r"\.uv/bin/pip install [^|&;]*", makefile())
    by_make = by_make.replace("$(UV_VERSION)", "${UV_VERSION}").strip()
    assert ("RUN", by_make) in stages()[0]


def test_packages_are_installed_as_make_does() -> None:
    [by_make] = re.findall(r"((?:UV_\w+=\S+ +)*)(\.uv/bin/uv sync [^|&;]*)", makefile())
    settings, step = by_make
    words = shlex.split(step)
    assert "--frozen" in words
    [ours] = [shlex.split(rest) for word, rest in stages()[0] if word == "RUN" and "uv sync" in rest]
    assert ours == [*words, "--no-dev", "--extra", "anymail"]
    for name, value in (pair.split("=", 1) for pair in shlex.split(settings)):
        if name != "UV_PYTHON":  # make lets one choose the interpreter
            assert variables(stages()[0])[name] == value


def test_packages_are_installed_before_the_code_is_copied() -> None:
    """So that a change of code does not install everything again."""
    steps = [f"{word} {rest}" for word, rest in stages()[0]]
    install = next(n for n, step in enumerate(steps) if "uv sync" in step)
    assert steps.index("COPY pyproject.toml uv.lock ./") < install < steps.index("COPY clinic clinic")


def test_the_image_holds_the_whole_application_and_no_tools() -> None:
    build, final = stages()[0], stages()[-1]
    assert build[0] == ("FROM", "python:3.13-slim AS build")
    assert final[0] == ("FROM", "python:3.13-slim")
    copied = [rest.split()[-2].rsplit("/", 1)[-1] for word, rest in final if word == "COPY"]
    assert set(copied) == {"LICENSE", ".venv", "staticfiles", "manage.py", *APPLICATION}
    assert not [rest for word, rest in final if word == "RUN" and "uv" in shlex.split(rest)]


def test_copied_files_exist() -> None:
    for word, rest in instructions():
        if word == "COPY" and "--from=" not in rest:
            for source in rest.split()[:-1]:
                assert (ROOT / source).exists(), source


def runtime_packages() -> set[str]:
    """The distributions of uv.lock that the image installs: ours and the extra for e-mail providers."""
    packages = {found["name"]: found for found in tomllib.loads((ROOT / "uv.lock").read_text())["package"]}
    ours = packages["onset"]
    wanted = [needed["name"] for needed in [*ours["dependencies"], *ours["optional-dependencies"]["anymail"]]]
    reached: set[str] = set()
    while wanted:
        name = wanted.pop()
        if name not in reached:
            reached.add(name)
            wanted += [needed["name"] for needed in packages[name].get("dependencies", [])]
    return reached


def test_the_application_imports_only_what_the_image_installs() -> None:
    """The demo's own room may use more; production does not install that."""
    installed = {name: {d.lower() for d in found} for name, found in packages_distributions().items()}
    runtime = {name.replace("_", "-") for name in runtime_packages()}
    strangers = set()
    for module in modules():
        if module.name.startswith("clinic/embedded/"):
            continue
        for node in ast.walk(module.tree):
            match node:
                case ast.Import(names=names):
                    imported = [alias.name for alias in names]
                case ast.ImportFrom(module=str(source), level=0):
                    imported = [source]
                case _:
                    continue
            for package in {name.partition(".")[0] for name in imported}:
                known = package in sys.stdlib_module_names or package in APPLICATION
                if not known and not {d.replace("_", "-") for d in installed.get(package, set())} & runtime:
                    strangers.add((module.name, package))
    assert strangers == set()


def test_the_python_of_the_image_is_one_we_support() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == ">=3.11,<3.14"
    assert "3.13" in stages()[-1][0][1]
