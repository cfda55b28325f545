#!/bin/sh
# Finds a Python that is new enough and lets it make .venv. Usage: scripts/set-up.sh run|test
set -eu
here=$(cd "$(dirname "$0")" && pwd)
for candidate in ${PYTHON:-} python3 python3.14 python3.13 python3.12 python3.11; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        exec "$candidate" "$here/install.py" "$@"
    fi
done
found=$(python3 --version 2>&1 || echo "none")
echo "Workestra Portal needs Python 3.11 or newer; this machine has: $found." >&2
echo "Install it (Debian: apt-get install python3 python3-venv), or say where it is: make run PYTHON=/path/to/python3" >&2
exit 1
