from __future__ import annotations

import logging
import os
import threading
from pathlib import Path

import pytest

from portal.contract.secrets import Secret
from portal.errors import Conflict, NotFound
from portal.security import keyfiles
from portal.security.keyfiles import SETTLED_SECONDS, replace_key_file, seconds_to_settle, with_new_key
from portal.security.keyrings import KeyringUnusable, _Watch, load_keyring, read_keyring
from portal.security.sealing import SealBroken, key_id_of, open_sealed, seal
from tests.security.rings import add, change, drop, secrets_in

PLACE = ("somewhere",)
SECRET = Secret("sk_test_of_the_key_files_0123456789")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    place = tmp_path / "keys" / "keyring.json"
    load_keyring(place)
    return place


def test_a_new_key_becomes_the_primary_one_and_the_old_one_stays(path: Path) -> None:
    before = read_keyring(path)
    after = add(path)
    assert after.primary not in before.keys
    assert after.keys.items() > before.keys.items()
    assert (after.instance, after.signing) == (before.instance, before.signing)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["keyring.json"]


def test_what_a_process_that_died_while_writing_left_is_not_in_the_way(path: Path) -> None:
    draft = path.with_name("keyring.json.new")
    draft.write_text("half of a key f")
    assert len(add(path).keys) == 2
    assert not draft.exists()


def test_a_file_that_cannot_be_replaced_keeps_its_keys(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(keyfiles, "write_through", full)
    with pytest.raises(KeyringUnusable, match="cannot be replaced: No space left on device"):
        add(path)
    assert path.read_bytes() == before
    assert [each.name for each in path.parent.iterdir()] == ["keyring.json"]


def test_a_key_file_behind_a_link_is_replaced_where_it_is(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.json"
    link.symlink_to(path)
    add(link)
    assert link.is_symlink()
    assert len(read_keyring(path).keys) == 2


def test_readers_see_the_old_file_or_the_new_one_and_never_half_of_it(path: Path) -> None:
    counts = []
    writer = threading.Thread(target=lambda: [add(path) for _ in range(30)])
    writer.start()
    while writer.is_alive():
        counts.append(len(read_keyring(path).keys))
    writer.join()
    assert counts == sorted(counts)
    assert len(read_keyring(path).keys) == 31


def test_the_primary_key_and_a_key_that_is_not_there_cannot_be_taken_out(path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(Conflict, match="is the primary one"):
        drop(path, read_keyring(path).primary)
    with pytest.raises(NotFound, match="no key k000000"):
        drop(path, "k000000")
    assert path.read_bytes() == before


def test_an_older_key_waits_until_nothing_sealed_with_it_is_on_its_way(path: Path) -> None:
    assert seconds_to_settle(load_keyring(path)) == 0
    assert 0 < seconds_to_settle(add(path)) <= SETTLED_SECONDS
    change(path, primary_since=0)
    assert seconds_to_settle(read_keyring(path)) == 0


def test_a_fingerprint_tells_keys_apart_and_shows_nothing_of_them(path: Path) -> None:
    ring = add(path)
    marks = {ring.fingerprint(key_id) for key_id in ring.keys}
    assert len(marks) == 2
    assert all(len(mark) == 9 for mark in marks)
    assert not [mark for mark in marks for secret in secrets_in(path) if mark.replace("-", "") in secret]


def test_a_running_process_opens_and_uses_a_key_that_was_added_after_it_started(path: Path) -> None:
    running = _Watch(path)
    old = running.ring().primary
    sealed_before = seal(SECRET, context=PLACE, keyring=running.ring())
    new = add(path)
    sealed_elsewhere = seal(SECRET, context=PLACE, keyring=new)
    assert open_sealed(sealed_elsewhere, context=PLACE, keyring=running.ring()) == SECRET
    assert open_sealed(sealed_before, context=PLACE, keyring=running.ring()) == SECRET
    assert key_id_of(seal(SECRET, context=PLACE, keyring=running.ring())) == new.primary != old


def test_a_running_process_forgets_a_key_that_was_retired(path: Path) -> None:
    running = _Watch(path)
    old = running.ring().primary
    sealed = seal(SECRET, context=PLACE, keyring=running.ring())
    add(path)
    drop(path, old)
    with pytest.raises(SealBroken, match=f"key {old}, which is not in the key file"):
        open_sealed(sealed, context=PLACE, keyring=running.ring())


@pytest.mark.parametrize("harm", ["away", "damaged", "open", "another"])
def test_a_running_process_keeps_its_keys_while_the_file_is_unusable_and_says_so(
    path: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, harm: str
) -> None:
    running = _Watch(path)
    before, content = running.ring(), path.read_bytes()
    if harm == "another":
        path.write_bytes(_content_of_another(tmp_path))
    elif harm == "damaged":
        path.write_bytes(content[:40])
    elif harm == "open":
        path.chmod(0o644)
    else:
        path.unlink()
    with caplog.at_level(logging.ERROR, "portal.security"):
        assert [running.ring() for _ in range(3)] == [before] * 3
    assert len(caplog.records) == 1
    assert harm != "away" or not path.exists()

    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_bytes(content)
    assert add(path) == running.ring() != before


def test_a_key_file_of_another_user_is_refused_also_for_root(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 54_321)
    with pytest.raises(KeyringUnusable, match=r"belongs to .*, and the portal runs as 54321") as caught:
        read_keyring(path)
    assert caught.value.hint.endswith(f"chown 54321 {path}")
    with pytest.raises(KeyringUnusable, match="belongs to"):
        with_new_key(path)


def test_a_content_that_nobody_could_read_again_is_not_written(path: Path) -> None:
    before, file = path.read_bytes(), with_new_key(path)
    file.primary = "k000000"
    with pytest.raises(KeyringUnusable):
        replace_key_file(path, file)
    assert path.read_bytes() == before


def _content_of_another(folder: Path) -> bytes:
    load_keyring(folder / "another.json")
    return (folder / "another.json").read_bytes()
