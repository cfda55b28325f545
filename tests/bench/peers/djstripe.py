"""dj-stripe as a webhook receiver: the smallest Django site that has it, behind gunicorn's plain workers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.peers.servers import Ground, free_port, run_once, serving

NAME = "dj-stripe"
DATABASE = "bench_djstripe"
ENDPOINT = "6f1f4f6e-58a5-4d0e-9d63-0c6b5d0f7a11"
PATH = f"/hooks/webhook/{ENDPOINT}/"
STORED = "SELECT count(*) FROM djstripe_event"
KEPT_SECONDS = 600
"""A connection to the database stays open between requests, which is the better case for it."""
SITE = f"""
import os

import django
from django.conf import settings

settings.configure(
    SECRET_KEY="bench",
    ALLOWED_HOSTS=["*"],
    USE_TZ=True,
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "djstripe"],
    DATABASES={{
        "default": {{
            "ENGINE": "django.db.backends.postgresql",
            "NAME": os.environ["PGDATABASE"],
            "CONN_MAX_AGE": {KEPT_SECONDS},
        }}
    }},
    MIGRATION_MODULES=dict.fromkeys(("contenttypes", "auth", "djstripe")),
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    DJSTRIPE_FOREIGN_KEY_TO_FIELD="id",
    STRIPE_LIVE_MODE=False,
    STRIPE_TEST_SECRET_KEY="sk_test_" + "0" * 24,
    STRIPE_API_HOST="http://127.0.0.1:" + os.environ["PROVIDER_PORT"],
    LOGGING_CONFIG=None,
)
django.setup()

from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.urls import include, path

urlpatterns = [path("hooks/", include("djstripe.urls", namespace="djstripe"))]
application = get_wsgi_application()


def prepare():
    from djstripe.models import Account, WebhookEndpoint

    call_command("migrate", run_syncdb=True, verbosity=0)
    owner = Account.get_or_retrieve_for_api_key(settings.STRIPE_TEST_SECRET_KEY)
    WebhookEndpoint.objects.create(
        id="we_bench",
        djstripe_uuid="{ENDPOINT}",
        djstripe_owner_account=owner,
        secret=os.environ["WEBHOOK_SECRET"],
        url="http://127.0.0.1/",
        status="enabled",
        enabled_events=["*"],
        livemode=False,
    )
"""


def prepare(ground: Ground, installed: Path) -> None:
    """Write the site, make its tables and its webhook address.

    The tables are made as they are today: to repeat their history takes Django minutes.
    """
    (ground.folder / "bench_site.py").write_text(SITE)
    ground.sql(f"CREATE DATABASE {DATABASE}")
    python = str(installed / "bin" / "python")
    command = (python, "-c", "import bench_site; bench_site.prepare()")
    run_once(command, ground.variables(DATABASE), ground.folder)


@contextmanager
def receiving(ground: Ground, installed: Path, *, processes: int) -> Iterator[str]:
    """Serve with so many workers; the address of the server."""
    port = free_port()
    gunicorn = str(installed / "bin" / "gunicorn")
    argv = (gunicorn, "-w", str(processes), "-b", f"127.0.0.1:{port}", "bench_site:application")
    log = ground.folder / f"{NAME}.log"
    with serving(argv, ground.variables(DATABASE), port, log, folder=ground.folder):
        yield f"http://127.0.0.1:{port}"
