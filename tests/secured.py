"""A Kafka whose clients must prove who they are, by each way that there is; its authority is the test's own."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import trustme
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from shared.kafka import Cluster, Listener
from shared.settings import Settings
from tests.kafka import running_cluster

Name = Literal["SSL", "OTHER_NAME", "MUTUAL", "SASL_PLAINTEXT", "SASL_SSL"]
Mechanism = Literal["PLAIN", "SCRAM-SHA-512"]

USER = "tasuki"
PASSWORDS: dict[Mechanism, str] = {"SCRAM-SHA-512": "gH4-scrambled-7Qx", "PLAIN": "gH4-in-the-clear-7Qx"}
"""Different ones, so that it shows by which mechanism somebody came in."""
_LISTENERS: dict[Name, Listener] = {
    "SSL": Listener("SSL"),
    "OTHER_NAME": Listener("SSL", told_host="localhost"),  # the certificate does not have it
    "MUTUAL": Listener("SSL"),
    "SASL_PLAINTEXT": Listener("SASL_PLAINTEXT"),
    "SASL_SSL": Listener("SASL_SSL"),
}
_LOGIN = "org.apache.kafka.common.security"


class Secured:
    """One broker with all listeners at once. Its certificate is for 127.0.0.1; `authority` has signed it, and our own
    certificates, which lie in `folder`."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self.cluster = cluster
        self.folder = folder

    def settings(self, listener: Name, mechanism: Mechanism = "SCRAM-SHA-512", **more: Any) -> Settings:
        """Those with which the listener lets us in; `more` overrules them."""
        right: dict[str, Any] = {
            "kafka_bootstrap_servers": self.cluster.address(listener),
            "kafka_security_protocol": _LISTENERS[listener].protocol,
        }
        if listener != "SASL_PLAINTEXT":
            right["kafka_ssl_ca_file"] = self.folder / "authority.pem"
        if listener == "MUTUAL":
            right |= {
                "kafka_ssl_cert_file": self.folder / "ours.pem",
                "kafka_ssl_key_file": self.folder / "ours.key",
            }
        if listener.startswith("SASL"):
            right |= {
                "kafka_sasl_mechanism": mechanism,
                "kafka_sasl_username": USER,
                "kafka_sasl_password": PASSWORDS[mechanism],
            }
        return Settings(**(right | more))


@contextmanager
def secured_broker(folder: Path, home: Path) -> Iterator[Secured]:
    """A running one; `folder` takes its certificates and its data."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "authority.pem")
    (folder / "broker.pem").write_bytes(_keystore(authority.issue_cert("127.0.0.1")))
    write_certificate(folder, "ours", authority)
    of_sasl = [property_ for name in _LISTENERS if name.startswith("SASL") for property_ in _sasl(name).items()]
    properties = {
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(folder / "broker.pem"),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(folder / "authority.pem"),
        "listener.name.mutual.ssl.client.auth": "required",
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",  # who comes by the cluster's own listener
        "allow.everyone.if.no.acl.found": "true",
        **dict(of_sasl),
    }
    users = {USER: PASSWORDS["SCRAM-SHA-512"]}
    more: dict[str, Any] = {"listeners": _LISTENERS, "users": users, "properties": properties}
    with running_cluster(folder / "kafka", home, brokers=1, **more) as cluster:
        yield Secured(cluster, folder)


def write_certificate(folder: Path, name: str, authority: trustme.CA) -> None:
    """A client's certificate and key, NAME.pem and NAME.key."""
    made = authority.issue_cert("tasuki@example.co.jp")
    (folder / f"{name}.pem").write_bytes(b"".join(part.bytes() for part in made.cert_chain_pems))
    made.private_key_pem.write_to_path(folder / f"{name}.key")


def _keystore(made: trustme.LeafCert) -> bytes:
    """The certificate with its key as a broker reads them: of the key's forms it knows PKCS #8 alone."""
    key = load_pem_private_key(made.private_key_pem.bytes(), None)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return pem + b"".join(part.bytes() for part in made.cert_chain_pems)


def _sasl(listener: str) -> dict[str, str]:
    prefix, password = f"listener.name.{listener.lower()}", PASSWORDS["PLAIN"]
    return {
        f"{prefix}.sasl.enabled.mechanisms": "SCRAM-SHA-512,PLAIN",
        f"{prefix}.scram-sha-512.sasl.jaas.config": f"{_LOGIN}.scram.ScramLoginModule required;",
        f"{prefix}.plain.sasl.jaas.config": f'{_LOGIN}.plain.PlainLoginModule required user_{USER}="{password}";',
    }
