#!/bin/sh
# django-appointment in a virtual environment of its own (var/peers), on the PostgreSQL of $DATABASE_URL.
# Says why and succeeds where it cannot be installed: a peer is company, not a dependency.
set -u
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
venv="$root/var/peers/django-appointment"

if [ ! -e "$venv/.stamp" ]; then
    mkdir -p "$root/var/peers"
    echo "Installing django-appointment 3.12.0 into var/peers"
    if ! reason=$("${PYTHON:-$root/.venv/bin/python}" -m venv "$venv" 2>&1 \
        && timeout 180 "$venv/bin/pip" install --quiet --disable-pip-version-check \
            'django-appointment==3.12.0' 'Django>=5.2,<5.3' 'psycopg[binary]>=3.2,<4' 2>&1); then
        rm -rf "$venv"
        echo "django-appointment is left out: it could not be installed from PyPI."
        echo "$reason" | tail -n 3
        exit 0
    fi
    touch "$venv/.stamp"
fi
unset DJANGO_SETTINGS_MODULE
exec "$venv/bin/python" "$here/django_appointment.py"
