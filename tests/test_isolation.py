"""Tests empty every table: they must never meet a person's own database or folder."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from portal.settings import Settings


def test_the_tests_have_a_folder_of_their_own(settings: Settings) -> None:
    assert settings.data_dir.is_relative_to(Path(tempfile.gettempdir()))


def test_the_tests_take_no_database_but_one_that_is_named_for_tests(settings: Settings) -> None:
    assert settings.database_url == os.environ.get("PORTAL_TEST_DATABASE_URL")
