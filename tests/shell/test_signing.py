"""Signing: what is signed, with which padding, and which keys are taken (fact sheet, section 1)."""

import os
import stat
from base64 import b64decode
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)

from depthwalker.core.outcome import Success
from depthwalker.core.units import Micros
from depthwalker.shell.signing import load_signer, parse_signer, signed_text

AT = Micros(1_703_123_456_789_999)
BALANCE = "/trade-api/v2/portfolio/balance"
TEXT = "1703123456789GET/trade-api/v2/portfolio/balance"


def pem(
    key: RSAPrivateKey | Ed25519PrivateKey,
    form: PrivateFormat = PrivateFormat.PKCS8,
    encryption: KeySerializationEncryption | None = None,
) -> str:
    return key.private_bytes(Encoding.PEM, form, encryption or NoEncryption()).decode()


@pytest.fixture(scope="module")
def rsa() -> RSAPrivateKey:
    return generate_private_key(public_exponent=65537, key_size=2048)


def test_the_signed_text_is_the_exchanges_own_example() -> None:
    assert signed_text("1703123456789", "get", BALANCE) == TEXT


def test_the_query_is_not_signed() -> None:
    assert signed_text("1703123456789", "GET", BALANCE + "?subaccount=0") == TEXT


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_an_rsa_key_signs_with_pss_and_a_salt_as_long_as_the_digest(rsa: RSAPrivateKey, form: PrivateFormat) -> None:
    headers = parse_signer("key-1", pem(rsa, form)).unwrap().sign("GET", BALANCE, AT)

    assert headers["KALSHI-ACCESS-KEY"] == "key-1"
    assert headers["KALSHI-ACCESS-TIMESTAMP"] == "1703123456789"
    signature = b64decode(headers["KALSHI-ACCESS-SIGNATURE"], validate=True)
    rsa.public_key().verify(signature, TEXT.encode(), PSS(MGF1(hashes.SHA256()), salt_length=32), hashes.SHA256())


def test_an_ed25519_key_signs_the_same_text() -> None:
    key = Ed25519PrivateKey.generate()

    headers = parse_signer("key-1", pem(key)).unwrap().sign("GET", BALANCE, AT)

    key.public_key().verify(b64decode(headers["KALSHI-ACCESS-SIGNATURE"], validate=True), TEXT.encode())


def test_a_key_file_of_its_owner_alone_is_taken(tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    file.write_text(pem(Ed25519PrivateKey.generate()))
    file.chmod(stat.S_IRUSR)

    assert isinstance(load_signer("key-1", file), Success)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601])
def test_a_key_file_that_others_can_use_is_refused_with_the_command_that_mends_it(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "key.pem"
    file.write_text(pem(Ed25519PrivateKey.generate()))
    file.chmod(mode)

    assert load_signer("key-1", file).failure().remedy == f"mend it with: chmod 600 {file}"


def test_what_is_no_key_file_is_named(tmp_path: Path) -> None:
    assert "No such file" in load_signer("key-1", tmp_path / "none.pem").failure().in_words()
    assert "Is a directory" in load_signer("key-1", tmp_path).failure().in_words()
    os.mkfifo(tmp_path / "pipe")
    assert "not a plain file" in load_signer("key-1", tmp_path / "pipe").failure().in_words()


def test_a_key_of_another_kind_is_refused_without_being_shown(rsa: RSAPrivateKey) -> None:
    locked = pem(rsa, encryption=BestAvailableEncryption(b"secret"))
    short = pem(generate_private_key(public_exponent=65537, key_size=1024))

    assert "encrypted" in parse_signer("key-1", locked).failure().reason
    assert "too short" in parse_signer("key-1", short).failure().reason
    assert "cannot be read" in parse_signer("key-1", "BEGIN secret").failure().reason
    assert "one word" in parse_signer("key 1\n", pem(rsa)).failure().reason
    assert "secret" not in repr(parse_signer("key-1", "BEGIN secret"))


def test_no_repr_shows_the_key(rsa: RSAPrivateKey) -> None:
    signer = parse_signer("key-1", pem(rsa)).unwrap()

    assert "key-1" not in repr(signer) + str(signer)
    assert not hasattr(signer, "__dict__")
