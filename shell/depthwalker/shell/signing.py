"""Signed requests: `timestamp + METHOD + path` under RSA-PSS or Ed25519 (fact sheet, section 1).

The query and the body are not signed. A key is read once, from a file that only its owner can read or from text, and no
repr, error or exception of this module shows any part of it.
"""

import os
import stat
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from shlex import quote
from typing import Final, TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from depthwalker.core.outcome import Failure, Outcome, Success
from depthwalker.core.units import Micros
from depthwalker.shell.aside import Aside

PrivateKey: TypeAlias = RSAPrivateKey | Ed25519PrivateKey

SMALLEST_RSA_BITS: Final = 2048
LARGEST_KEY_FILE: Final = 65_536
OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
ASIDE: Final = Aside(2, "signing")
ACCEPTED: Final = "an unencrypted PEM private key, RSA of at least 2048 bits or Ed25519, as the exchange issues it"


@dataclass(frozen=True, slots=True)
class KeyTrouble:
    """Why a key cannot be used, and what mends it."""

    reason: str
    remedy: str

    def in_words(self) -> str:
        """Return both in one line."""
        return f"{self.reason}; {self.remedy}"


class Signer:
    """Signs requests with one API key. Keeps the plain repr of every object, which shows nothing of it."""

    __slots__ = ("_key", "_key_id")

    def __init__(self, key_id: str, key: PrivateKey) -> None:
        self._key_id = key_id
        self._key = key

    def sign(self, method: str, path: str, now: Micros) -> Mapping[str, str]:
        """Return the three headers of a request. `path` starts at the root, /trade-api/v2 included, without a query."""
        timestamp = str(now // 1_000)
        return {
            "KALSHI-ACCESS-KEY": self._key_id,
            "KALSHI-ACCESS-TIMESTAMP": timestamp,
            "KALSHI-ACCESS-SIGNATURE": b64encode(self._signature(signed_text(timestamp, method, path))).decode(),
        }

    async def sign_aside(self, method: str, path: str, now: Micros) -> Mapping[str, str]:
        """Return the same as `sign`, with the event loop free meanwhile.

        An RSA-2048 signature takes a quarter to one and a half milliseconds, and cryptography gives up the interpreter's
        lock for it; an Ed25519 one is made sooner than a thread would have begun.
        """
        if isinstance(self._key, RSAPrivateKey):
            return await ASIDE.run(partial(self.sign, method, path, now))
        return self.sign(method, path, now)

    def _signature(self, text: str) -> bytes:
        if isinstance(self._key, Ed25519PrivateKey):
            return self._key.sign(text.encode())
        digest = hashes.SHA256()
        return self._key.sign(text.encode(), PSS(mgf=MGF1(digest), salt_length=PSS.DIGEST_LENGTH), digest)


def signed_text(timestamp: str, method: str, path: str) -> str:
    """Return what is signed: milliseconds, method in capitals, path up to its query."""
    return f"{timestamp}{method.upper()}{path.partition('?')[0]}"


def parse_signer(key_id: str, pem: str) -> Outcome[Signer, KeyTrouble]:
    """Return the signer of a key given as PEM text, or what is wrong with it."""
    if not key_id or not key_id.isascii() or not key_id.isprintable() or " " in key_id:
        return Failure(KeyTrouble("the key id is not one word", "give the id that the exchange shows beside the key"))
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except TypeError:
        return Failure(KeyTrouble("the key is encrypted", "decrypt it with: openssl pkey -in KEY -out PLAIN"))
    except (ValueError, UnsupportedAlgorithm):
        return Failure(KeyTrouble("the key cannot be read", f"allowed is {ACCEPTED}"))
    if isinstance(key, Ed25519PrivateKey) or (isinstance(key, RSAPrivateKey) and key.key_size >= SMALLEST_RSA_BITS):
        return Success(Signer(key_id, key))
    return Failure(KeyTrouble("the key is of the wrong kind or too short", f"allowed is {ACCEPTED}"))


def load_signer(key_id: str, file: Path) -> Outcome[Signer, KeyTrouble]:
    """Return the signer of a key file; a file that others may read, write or run is refused."""
    try:
        with open(file, "rb", opener=_open_without_waiting) as opened:
            mode = os.fstat(opened.fileno()).st_mode
            text = opened.read(LARGEST_KEY_FILE) if stat.S_ISREG(mode) and not mode & OTHERS else b""
    except OSError as error:
        return Failure(KeyTrouble(f"the key file {file} cannot be read: {error.strerror}", "name a file that you own"))
    if not stat.S_ISREG(mode):
        return Failure(KeyTrouble(f"the key file {file} is not a plain file", "name the PEM file itself"))
    if mode & OTHERS:
        return Failure(KeyTrouble(f"others can use the key file {file}", f"mend it with: chmod 600 {quote(str(file))}"))
    return parse_signer(key_id, text.decode("ascii", errors="replace"))


def _open_without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # a pipe without a writer would wait for ever
