"""Who sent a request: the three headers, checked as the exchange checks them (fact sheet, section 1)."""

import base64
import binascii
from collections.abc import Mapping
from typing import Final, TypeAlias

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256

from depthwalker.core.units import SECOND, Micros
from depthwalker.shell.paper.reply import Refusal, refusal

PublicKey: TypeAlias = RSAPublicKey | Ed25519PublicKey

SKEW: Final = Micros(10 * SECOND)  # accepted either way
KEY: Final = "KALSHI-ACCESS-KEY"
_TIMESTAMP: Final = "KALSHI-ACCESS-TIMESTAMP"
_SIGNATURE: Final = "KALSHI-ACCESS-SIGNATURE"
_PADDING: Final = PSS(mgf=MGF1(SHA256()), salt_length=32)


def signer(
    headers: Mapping[str, str], method: str, path: str, now: Micros, keys: Mapping[str, tuple[str, PublicKey]]
) -> str:
    """Return the account whose key signed the request; `path` has no query. Raises Refusal, always 401."""
    key_id, stamp, signature = (headers.get(name, "") for name in (KEY, _TIMESTAMP, _SIGNATURE))
    if not (key_id and stamp and signature):
        raise refusal(401, "signature_is_missing_from_headers")
    if not (stamp.isascii() and stamp.isdigit()) or abs(int(stamp) * 1000 - now) > SKEW:
        raise refusal(401, "header_timestamp_expired")
    if key_id not in keys:
        raise _unauthenticated("NOT_FOUND")
    account, key = keys[key_id]
    try:
        _verify(key, base64.b64decode(signature, validate=True), f"{stamp}{method}{path}".encode())
    except (InvalidSignature, binascii.Error) as error:
        raise _unauthenticated("INCORRECT_API_KEY_SIGNATURE") from error
    return account


def _verify(key: PublicKey, signature: bytes, text: bytes) -> None:
    if isinstance(key, Ed25519PublicKey):
        key.verify(signature, text)
    else:
        key.verify(signature, text, _PADDING, SHA256())


def _unauthenticated(details: str) -> Refusal:
    return refusal(401, "authentication_error", details, message="authentication_error")
