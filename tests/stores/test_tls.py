from __future__ import annotations

import datetime
import ipaddress
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from policy_middleware.model.errors import StoreUnavailable
from policy_middleware.stores import RedisStore, Snapshots
from tests.servers import Server, free_port, server_binary
from tests.stores.documents import allowing, answer, denying, revision_of
from tests.waiting import eventually


def write_certificate(folder: Path) -> None:
    """Write a certificate for 127.0.0.1 that vouches for itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "policy test")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    (folder / "server.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "server.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )


def speaks_tls(binary: str) -> bool:
    """True when the server is linked with OpenSSL, as far as this machine can tell."""
    if shutil.which("ldd") is None:
        return False
    return "libssl" in subprocess.run(["ldd", binary], capture_output=True, text=True, check=False).stdout


@pytest.mark.skipif(not speaks_tls(server_binary() or ""), reason="this server was built without TLS")
def test_requests_and_listener_both_go_through_tls_and_check_the_certificate(
    new_server: Callable[..., Server], new_snapshots: Callable[..., Snapshots], tmp_path: Path
) -> None:
    write_certificate(tmp_path)
    port = free_port()
    server = new_server(
        "--tls-port", str(port), "--tls-auth-clients", "no",
        "--tls-cert-file", str(tmp_path / "server.pem"), "--tls-key-file", str(tmp_path / "server.key"),
    )  # fmt: skip
    with server.client() as client:
        client.set("policy:doc:{acme}", allowing())
        url = f"rediss://127.0.0.1:{port}/0"
        snapshots = new_snapshots(RedisStore(f"{url}?ssl_ca_certs={tmp_path / 'server.pem'}"))
        assert answer(snapshots.load("acme")) == "allow"
        eventually(lambda: snapshots.current("acme"))
        client.set("policy:doc:{acme}", denying())
        assert snapshots.wait_until_in_force("acme", revision_of(denying()), 5)
        with pytest.raises(StoreUnavailable, match=r"(?i)certificate"):
            new_snapshots(RedisStore(url)).load("acme")
