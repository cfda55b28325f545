"""What must be true of the files themselves, whatever is in them."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from portal.settings import ROOT

MOST_BYTES = 1_000_000
LONGEST_PICTURE = 150_000
REGISTRIES = re.compile(
    rb"pyp[i]\.org/simple|files\.pytho[n]hosted\.org|registry\.npm[j]s\.org|--(?:extra-)?index-url"
)
WORKPLACES = re.compile(rb"(?<![\w.~-])/(?:root|work|home/\w+)/")
READS_INDEX_OPTIONS = frozenset({"scripts/install.py", "tests/test_repository.py"})
"""They speak of the option itself: one passes on what a person configured."""
NAMES_A_PLACE = frozenset({"tests/test_repository.py"})


def tracked_files() -> list[Path]:
    """What git would give to somebody who clones."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode != 0:
        pytest.skip("this is not a git repository")
    return [path for name in listed.stdout.decode().split("\0") if name and (path := ROOT / name).is_file()]


def holding(pattern: re.Pattern[bytes], *, but: frozenset[str]) -> list[str]:
    """The tracked files in which the pattern occurs, with the place."""
    found = []
    for path in tracked_files():
        name = str(path.relative_to(ROOT))
        if name not in but and (match := pattern.search(path.read_bytes())):
            found.append(f"{name}: {match[0].decode(errors='replace')}")
    return found


def test_no_file_names_a_package_registry() -> None:
    assert holding(REGISTRIES, but=READS_INDEX_OPTIONS) == []


def test_no_file_names_a_folder_of_somebodys_machine() -> None:
    assert holding(WORKPLACES, but=NAMES_A_PLACE) == []


def test_a_folder_of_a_machine_is_told_from_a_path_in_an_address() -> None:
    assert all(
        WORKPLACES.search(text) for text in (b"see /root/.config", b"'/home/mara/portal'", b"=/work/x")
    )
    harmless = (b"/home/user", b"https://example.com/work/list", b"home/page/root/x", b"~/work/x")
    assert not any(WORKPLACES.search(text) for text in harmless)


def test_no_tracked_file_is_large() -> None:
    sizes = {str(path.relative_to(ROOT)): path.stat().st_size for path in tracked_files()}
    assert {name: size for name, size in sizes.items() if size > MOST_BYTES} == {}
    pictures = {name: size for name, size in sizes.items() if name.endswith((".png", ".jpg"))}
    assert {name: size for name, size in pictures.items() if size > LONGEST_PICTURE} == {}


def test_no_generated_file_is_tracked() -> None:
    generated = {"__pycache__", ".venv", ".portal", ".pytest_cache", ".mypy_cache", ".hypothesis"}
    assert [str(path) for path in tracked_files() if generated & set(path.relative_to(ROOT).parts)] == []


def test_every_folder_with_tests_is_a_package() -> None:
    folders = {path.parent for top in ("tests", "e2e", "plugins") for path in (ROOT / top).rglob("*.py")}
    loaded_by_path = {"piccolo_migrations"}
    bare = [f for f in folders if not (f / "__init__.py").exists() and f.name not in loaded_by_path]
    assert sorted(str(folder.relative_to(ROOT)) for folder in bare) == []


def test_the_folder_of_plugins_is_a_package() -> None:
    assert (ROOT / "plugins" / "__init__.py").is_file(), "else `import stripe` may find our own package"


def test_the_licence_is_there_and_is_the_one_that_the_package_names() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    text = (ROOT / "LICENSE").read_text("utf-8")
    assert text.startswith(f"{project['license']} License")
    assert "Workestra Portal contributors" in text


def test_the_changelog_begins_with_the_version_of_the_package() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    newest = re.search(r"^## (\S+?),? ", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert newest is not None
    assert newest[1] == version


def test_the_security_file_supports_the_version_of_the_package() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    minor = ".".join(version.split(".")[:2])
    assert f"| {minor} | yes |" in (ROOT / "SECURITY.md").read_text("utf-8")


def test_no_text_file_has_other_line_ends_or_blanks_at_line_ends() -> None:
    kinds = {".py", ".md", ".html", ".css", ".js", ".toml", ".sh", ".yml"}
    ours = [p for p in tracked_files() if p.suffix in kinds and "vendor" not in p.parts]
    wrong = [str(p.relative_to(ROOT)) for p in ours if re.search(rb"\r|[ \t]\n", p.read_bytes())]
    assert wrong == []
