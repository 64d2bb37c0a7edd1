"""DefaultAzureCredential, with a server of managed identities as Azure's App Service has one."""

from __future__ import annotations

import base64
import http.server
import ipaddress
import json
import threading
import time
from datetime import datetime, timedelta, timezone

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from sparksweep.errors import StorageError
from sparksweep.storage import BlobStore
from tests.blob_server import new_container, start_blob_server


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for 127.0.0.1 and its key: tokens travel by https alone."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(timezone.utc)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "sparksweep tests")])
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("certificate")
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    (folder / "cert.pem").write_bytes(signed.public_bytes(pem))
    (folder / "key.pem").write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    return folder


@pytest.fixture(scope="module")
def server(certificate):
    options = ["--oauth", "basic", "--cert", certificate / "cert.pem", "--key", certificate / "key.pem"]
    with start_blob_server(*options) as running:
        yield running


def token(**claims):
    def part(content):
        return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()

    now = int(time.time())
    usual = {
        "aud": "https://storage.azure.com",
        "iss": "https://sts.windows.net/tenant/",
        "iat": now - 60,
        "nbf": now - 60,
        "exp": now + 3600,
    }
    return f"{part({'alg': 'RS256', 'typ': 'JWT'})}.{part({**usual, **claims})}.c2lnbmF0dXJl"


@pytest.fixture
def identity(certificate, monkeypatch):
    """What the server of identities gives out; a test may change it."""
    given = {"access_token": token(), "expires_on": str(int(time.time()) + 3600), "token_type": "Bearer"}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps({**given, "resource": "https://storage.azure.com"}).encode())

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as endpoint:
        threading.Thread(target=endpoint.serve_forever, daemon=True).start()
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"http://127.0.0.1:{endpoint.server_port}/token")
        monkeypatch.setenv("IDENTITY_HEADER", "made-up")
        monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "ManagedIdentityCredential")
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate / "cert.pem"))
        yield given
        endpoint.shutdown()


def test_an_identity_opens_the_store(server, identity):
    store = BlobStore.open(
        f"{server.endpoint}/{new_container()}/in", {"AZURE_STORAGE_ACCOUNT": server.account}
    )
    store.create_container()
    store.write("x.csv", b"1")
    assert [file.name for file in store.list()] == ["x.csv"]
    assert store.read("x.csv") == b"1"


def test_an_identity_that_is_refused(server, identity):
    identity["access_token"] = token(aud="https://elsewhere.example")
    store = BlobStore.open(f"{server.endpoint}/{new_container()}/in", {})
    with pytest.raises(
        StorageError, match=r"refused the identity .* role Storage Blob Data Reader.*\(40[13] \w+\)"
    ):
        store.list()
