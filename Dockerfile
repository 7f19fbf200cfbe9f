# syntax=docker/dockerfile:1
# The production image: web, worker, beat and migrate are the same image with other commands
# (docker-compose.yml). Packages are installed by the steps that `make` runs; tests/meta/test_image.py
# compares the two.

FROM python:3.13-slim AS build
# The same version as in the Makefile.
ARG UV_VERSION=0.13.9
ENV UV_PYTHON_DOWNLOADS=never \
    UV_PYTHON=python3 \
    UV_PROJECT_ENVIRONMENT=.venv \
    UV_LINK_MODE=copy \
    UV_COMPILE_BYTECODE=1
WORKDIR /srv/onset
RUN python3 -m venv .uv
RUN .uv/bin/pip install --quiet --disable-pip-version-check uv==${UV_VERSION}
COPY pyproject.toml uv.lock ./
RUN .uv/bin/uv sync --frozen --quiet --no-dev --extra anymail
COPY manage.py ./
COPY clinic clinic
COPY patients patients
COPY scheduling scheduling
# Settings refuse to start without these; none is used, and none stays in the image.
RUN SECRET_KEY="$(python3 -c 'import secrets; print(secrets.token_hex(32))')" \
    ALLOWED_HOSTS=build.invalid \
    PUBLIC_URL=https://build.invalid \
    DATABASE_URL=postgresql://build.invalid/build \
    REDIS_URL=redis://build.invalid/0 \
    SMTP_HOST=build.invalid \
    .venv/bin/python manage.py collectstatic --noinput
RUN .venv/bin/python -m compileall -q clinic patients scheduling

FROM python:3.13-slim
LABEL org.opencontainers.image.title="Onset" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN useradd --system --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin onset
# PostgreSQL's own programs, of the version in docker-compose.yml, for backup, stream_wal and restore.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates postgresql-common \
    && /usr/share/postgresql-common/pgdg/apt.postgresql.org.sh -y \
    && sed -ri 's/^#?create_main_cluster.*/create_main_cluster = false/' /etc/postgresql-common/createcluster.conf \
    && apt-get install --yes --no-install-recommends postgresql-18 \
    && rm -rf /var/lib/apt/lists/*
# A volume that is mounted here for the first time belongs to who makes backups.
RUN install --directory --owner=10001 --group=10001 --mode=0700 /backups
WORKDIR /srv/onset
COPY LICENSE ./
# Owned by root: what runs may read the code, not change it.
COPY --from=build /srv/onset/.venv .venv
COPY --from=build /srv/onset/staticfiles staticfiles
COPY --from=build /srv/onset/manage.py ./
COPY --from=build /srv/onset/clinic clinic
COPY --from=build /srv/onset/patients patients
COPY --from=build /srv/onset/scheduling scheduling
ENV PATH=/srv/onset/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    DJANGO_SETTINGS_MODULE=clinic.settings.base
USER 10001:10001
EXPOSE 8000
# --preload: a wrong setting stops the container with its sentence instead of a loop of dying workers.
CMD ["gunicorn", "clinic.wsgi:application", "--bind", "0.0.0.0:8000", "--worker-class", "gthread", "--threads", "4", "--preload", "--worker-tmp-dir", "/dev/shm", "--no-control-socket"]
