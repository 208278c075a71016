"""The measures of SECURITY.md: each test here fails when its measure is undone."""

import ast
import asyncio
import datetime as dt
import re
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from tests.shell.scripted import FixedClock

from depthwalker.shell.dialler import AioHttpDialler, Dropped
from depthwalker.shell.ports import HttpRequest, NotSent
from depthwalker.shell.postgres import Cluster
from depthwalker.shell.settings import Settings, SettingsError
from depthwalker.shell.signing import Signer
from depthwalker.shell.transport import AioHttpTransport

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "shell").rglob("*.py"))
SQL = re.compile(r"\b(SELECT|INSERT INTO|UPDATE|DELETE FROM|CREATE|DROP|ALTER|COPY|NOTIFY|LISTEN|SET)\b\s+\S")
LISTENERS = {
    "listen": 0,
    "TCPSite": 1,
    "start_server": 1,
    "create_server": 1,
    "start_http_server": 1,
    "run_app": 1,
}  # and where the host stands
SECRET = "s3cr3t-of-the-user"


# SQL


def composed(tree: ast.AST) -> Iterator[int]:
    """Yield the lines on which a statement of SQL is put together from parts: f-string, %, +, format."""
    for node in ast.walk(tree):
        match node:
            case ast.JoinedStr(values):
                parts: list[ast.expr] = values if any(isinstance(part, ast.FormattedValue) for part in values) else []
            case ast.BinOp(left, ast.Add() | ast.Mod(), right):
                parts = [left, right]
            case ast.Call(ast.Attribute(value, "format" | "replace" | "join"), _, _):
                parts = [value]
            case _:
                continue
        for part in parts:
            if isinstance(part, ast.Constant) and isinstance(part.value, str | bytes):
                text = part.value if isinstance(part.value, str) else part.value.decode()
                if SQL.search(text):
                    yield node.lineno


def test_no_statement_of_sql_is_put_together_from_parts() -> None:
    found = [(path.name, line) for path in SOURCES for line in composed(ast.parse(path.read_text(encoding="utf-8")))]
    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        'f"SELECT * FROM t WHERE a = {a}"',
        '"DELETE FROM t WHERE a = %s" % a',
        '"SELECT " + a',
        '"UPDATE t SET {}".format(a)',
    ],
)
def test_a_statement_put_together_would_be_found(source: str) -> None:
    padded = source.replace('"SELECT " + a', '"SELECT x FROM " + a')
    assert list(composed(ast.parse(padded))) == [1]


# TLS


def self_signed(folder: Path) -> ssl.SSLContext:
    key = generate_private_key(SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, SHA256())
    )
    file = folder / "self-signed.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(private + made.public_bytes(Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


@asynccontextmanager
async def impostor(folder: Path) -> AsyncIterator[tuple[int, list[bytes]]]:
    """An exchange whose certificate nobody vouches for; what it is sent is kept."""
    sent: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sent.append(await reader.read(1_000))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=self_signed(folder))
    async with listener:
        yield listener.sockets[0].getsockname()[1], sent


async def test_an_exchange_without_a_valid_certificate_is_sent_nothing(tmp_path: Path) -> None:
    async with impostor(tmp_path) as (port, sent):
        transport = AioHttpTransport(f"https://127.0.0.1:{port}/trade-api/v2")
        with pytest.raises(NotSent, match="Certificate"):
            await transport.send(HttpRequest("GET", "/trade-api/v2/x", (), {"KALSHI-ACCESS-KEY": SECRET}, None))
        await transport.close()
    assert sent == []


async def test_nor_is_its_websocket_dialled(tmp_path: Path) -> None:
    async with impostor(tmp_path) as (port, sent):
        signer = Signer(SECRET, Ed25519PrivateKey.generate())
        dialler = AioHttpDialler(f"wss://127.0.0.1:{port}/trade-api/ws/v2", signer, FixedClock().now)
        with pytest.raises(Dropped, match="Certificate"):
            await dialler.dial()
        await dialler.close()
    assert sent == []


# Secrets


def test_settings_show_no_secret() -> None:
    settings = Settings.of(key_id=SECRET, key_file="/k", database_url=f"postgresql://me:{SECRET}@h/d")
    assert SECRET not in f"{settings!r} {settings}"


@pytest.mark.parametrize(
    "keys",
    [{"key_id": ["s3cr3t-of-the-user"]}, {"base_url": f"https://me:{SECRET}@h/"}, {"database_url": [SECRET]}],
)
def test_refused_settings_show_no_secret(keys: dict[str, object]) -> None:
    with pytest.raises(SettingsError) as refused:
        Settings.of(**keys)
    assert SECRET not in str(refused.value)


def test_a_signed_request_shows_neither_key_nor_signature() -> None:
    request = HttpRequest("GET", "/x", (), {"KALSHI-ACCESS-KEY": SECRET}, None)
    assert SECRET not in repr(request)
    assert SECRET not in repr(Signer(SECRET, Ed25519PrivateKey.generate()))


# Listening


def exposed(tree: ast.AST) -> Iterator[int]:
    """Yield the lines that name every interface, or that start a listener without saying where."""
    for node in ast.walk(tree):
        match node:
            case ast.Constant("0.0.0.0" | "[::]"):
                yield node.lineno
            case ast.Call(ast.Attribute(_, name) | ast.Name(name), arguments, keywords) if name in LISTENERS:
                at = LISTENERS[name]
                given = [*arguments[at : at + 1], *(word.value for word in keywords if word.arg in {"host", "addr"})]
                if not any(not isinstance(host, ast.Constant) or host.value in {"127.0.0.1", "::1"} for host in given):
                    yield node.lineno
            case _:
                pass


def test_whatever_listens_does_so_on_the_loopback() -> None:
    found = [(path.name, line) for path in SOURCES for line in exposed(ast.parse(path.read_text(encoding="utf-8")))]
    assert found == []
    assert any("create_server" in path.read_text(encoding="utf-8") for path in SOURCES)


@pytest.mark.parametrize(
    "source",
    [
        'web.TCPSite(r, "0.0.0.0", 1)',
        "web.TCPSite(r)",
        'start_http_server(9, addr="::")',
        "TCPSite(r, None)",
        'listener.listen("0.0.0.0", 0)',
        "listener.listen()",
    ],
)
def test_a_listener_on_every_interface_would_be_found(source: str) -> None:
    assert list(exposed(ast.parse(source)))


def test_the_embedded_database_listens_on_no_network_at_all(open_folder: Path) -> None:
    import psycopg

    with Cluster(open_folder / "unlistened") as cluster, psycopg.connect(cluster.dsn()) as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)


# Dependencies


def test_every_dependency_is_pinned_by_version_and_hash() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert "://" not in lock
    packages = re.findall(
        r"^\S+==\S+(?:[^\S\n].*)?\\\n(?:[^\S\n]+--hash=sha256:[0-9a-f]{64}[^\S\n]*\\?\n)+", lock, re.MULTILINE
    )
    named = [line for line in lock.splitlines() if line and not line[0].isspace() and line[0] != "#"]
    assert len(packages) == len(named) > 20


def test_set_up_installs_what_is_pinned_and_nothing_else() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "LOCKED := --no-deps --require-hashes -r requirements.lock\n" in makefile
    installs = re.findall(r"(?:\$\(PIP\)|\bpip install(?! -qq --no-compile)) ([^|&\n]+)", makefile)
    assert len(installs) == 4
    for options in installs:
        assert (
            "$(LOCKED)" in options
            or "--require-hashes -r" in options
            or options == "--no-build-isolation --no-deps -e ."
        )


# The document


def test_each_measure_in_the_document_names_a_test_that_is_there() -> None:
    document = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", document)
    assert len(named) >= 12
    for file, test in named:
        assert re.search(rf"^(async )?def {test}\(", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE), test
