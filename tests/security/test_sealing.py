from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from portal.contract.secrets import Secret
from portal.security.keyrings import Keyring, KeyringUnusable, load_keyring
from portal.security.sealing import SealBroken, key_id_of, open_sealed, seal

PLACE = ("connected_account", "17", "test", "secret_key")
KEY = Secret("sk_test_51abcdef")


@pytest.fixture
def ring(tmp_path: Path) -> Keyring:
    return load_keyring(tmp_path / "keys" / "keyring.json")


def test_sealed_secret_opens_in_its_place(ring: Keyring) -> None:
    sealed = seal(KEY, context=PLACE, keyring=ring)
    assert open_sealed(sealed, context=PLACE, keyring=ring) == KEY
    assert KEY.reveal() not in sealed
    assert sealed.startswith(f"v1.{ring.primary}.")
    assert key_id_of(sealed) == ring.primary


def test_same_secret_never_looks_the_same_twice(ring: Keyring) -> None:
    assert len({seal(KEY, context=PLACE, keyring=ring) for _ in range(200)}) == 200


@pytest.mark.parametrize(
    "elsewhere",
    [
        ("connected_account", "18", "test", "secret_key"),
        ("connected_account", "17", "live", "secret_key"),
        ("connected_account", "17", "test", "webhook_secret"),
        ("connected_account", "17", "test"),
        ("connected_account", "17", "test", "secret_key", ""),
        ("connected_account", "1", "7test", "secret_key"),
        (),
    ],
)
def test_sealed_secret_moved_to_another_place_does_not_open(
    ring: Keyring, elsewhere: tuple[str, ...]
) -> None:
    sealed = seal(KEY, context=PLACE, keyring=ring)
    with pytest.raises(SealBroken, match=ring.primary):
        open_sealed(sealed, context=elsewhere, keyring=ring)


def test_any_changed_or_missing_character_is_noticed(ring: Keyring) -> None:
    sealed = seal(KEY, context=PLACE, keyring=ring)
    for at, letter in enumerate(sealed):
        changed = sealed[:at] + ("B" if letter == "A" else "A") + sealed[at + 1 :]
        for damaged in (changed, sealed[:at], sealed[:at] + sealed[at + 1 :], sealed + "A"):
            with pytest.raises(SealBroken):
                open_sealed(damaged, context=PLACE, keyring=ring)


def test_missing_key_is_named(ring: Keyring, tmp_path: Path) -> None:
    other = load_keyring(tmp_path / "other" / "keyring.json")
    sealed = seal(KEY, context=PLACE, keyring=other)
    with pytest.raises(SealBroken, match=other.primary):
        open_sealed(sealed, context=PLACE, keyring=ring)


def test_retired_key_still_opens_what_it_sealed(ring: Keyring, tmp_path: Path) -> None:
    sealed = seal(KEY, context=PLACE, keyring=ring)
    newer = load_keyring(tmp_path / "other" / "keyring.json")
    both = Keyring(ring.instance, newer.primary, {**ring.keys, **newer.keys}, ring.signing)
    assert open_sealed(sealed, context=PLACE, keyring=both) == KEY


def test_another_installation_with_the_same_keys_cannot_open(ring: Keyring) -> None:
    sealed = seal(KEY, context=PLACE, keyring=ring)
    clone = Keyring("another-instance", ring.primary, ring.keys, ring.signing)
    with pytest.raises(SealBroken):
        open_sealed(sealed, context=PLACE, keyring=clone)


def test_key_file_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "keyring.json"
    first = load_keyring(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert load_keyring(path) == first
    assert [each.name for each in path.parent.iterdir()] == ["keyring.json"]


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o610])
def test_key_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "keyring.json"
    load_keyring(path)
    path.chmod(mode)
    with pytest.raises(KeyringUnusable, match=f"{mode:04o}") as caught:
        load_keyring(path)
    assert caught.value.hint == f"Run: chmod 600 {path}"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"version": 1}', b"\xff\xfe"])
def test_damaged_key_file_is_refused_without_quoting_it(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "keyring.json"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(KeyringUnusable, match="damaged"):
        load_keyring(path)


def test_short_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "keyring.json"
    load_keyring(path)
    file = json.loads(path.read_text())
    file["keys"][file["primary"]] = "c2hvcnQ="
    path.write_text(json.dumps(file))
    with pytest.raises(KeyringUnusable) as caught:
        load_keyring(path)
    assert "c2hvcnQ" not in str(caught.value)


def test_place_that_cannot_hold_a_file_is_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("a file, no folder")
    with pytest.raises(KeyringUnusable, match="cannot be used"):
        load_keyring(tmp_path / "keys" / "keyring.json")


def test_processes_that_start_together_agree_on_one_key(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from portal.security.keyrings import load_keyring; "
        "sys.stdin.read(1); print(load_keyring(Path(sys.argv[1])).primary)"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path / "keys" / "keyring.json")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for process in processes:
        assert process.stdin
        process.stdin.write("x")
        process.stdin.flush()
    said = {process.communicate(timeout=60)[0] for process in processes}
    assert len(said) == 1


def test_purposes_get_keys_of_their_own(ring: Keyring) -> None:
    assert ring.derive("notice") == ring.derive("notice")
    assert len({ring.derive("notice"), ring.derive("audit"), ring.derive("form-token"), ring.signing}) == 4


def test_keyring_does_not_show_itself(ring: Keyring) -> None:
    assert ring.signing.hex() not in repr(ring)
    assert "signing" not in repr(ring)
