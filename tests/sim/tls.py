# SPDX-License-Identifier: MIT
"""A certificate authority of our own, made at run time, and bad certificates.

Four server certificates: `good` (for localhost and the loopback addresses),
`wrong_host`, `expired`, and `untrusted` (signed by a CA nobody was given).
Nothing is kept in the repository, so no test ever starts failing by date.
"""

import datetime
import ipaddress
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

KINDS = ("good", "wrong_host", "expired", "untrusted")
GOOD_NAMES = ("localhost", "api.openai.test", "127.0.0.1", "::1")


def _name(common_name):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _alternative_name(name):
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _write_key(path, key):
    path.touch(mode=0o600)
    path.write_bytes(key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption()))


def _write_certificate(path, certificate):
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


class _Issuer:
    """One CA key with its self-signed certificate."""

    def __init__(self, common_name):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = _name(common_name)
        self.certificate = self._sign(self.name, self.key, (-1, 30), True)

    def _sign(self, subject, key, days, ca, names=()):
        now = datetime.datetime.now(datetime.timezone.utc).replace(
            microsecond=0)
        day = datetime.timedelta(days=1)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject).issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + days[0] * day)
            .not_valid_after(now + days[1] * day)
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(
                key.public_key()), False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(
                    self.key.public_key()), False)
            .add_extension(self._usage(ca), True))
        if not ca:
            builder = builder.add_extension(x509.ExtendedKeyUsage(
                [ExtendedKeyUsageOID.SERVER_AUTH]), False)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(
                [_alternative_name(name) for name in names]), False)
        return builder.sign(self.key, hashes.SHA256())

    @staticmethod
    def _usage(ca):
        return x509.KeyUsage(
            digital_signature=True, key_cert_sign=ca, crl_sign=ca,
            content_commitment=False, key_encipherment=False,
            data_encipherment=False, key_agreement=False,
            encipher_only=False, decipher_only=False)

    def issue(self, names, days=(-1, 30)):
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._sign(_name(names[0]), key, days, False, names)
        return key, certificate


class Authority:
    """The CA that the client under test is told to trust (`ca_file`)."""

    def __init__(self, directory):
        self.directory = Path(directory)
        self._trusted = _Issuer("Telefonista test CA")
        self._contexts = {}
        self.ca_file = str(self.directory / "ca.pem")
        _write_certificate(Path(self.ca_file), self._trusted.certificate)

    def _issue(self, kind):
        if kind == "good":
            return self._trusted.issue(GOOD_NAMES)
        if kind == "wrong_host":
            return self._trusted.issue(("somebody-else.test",))
        if kind == "expired":
            return self._trusted.issue(GOOD_NAMES, days=(-20, -1))
        if kind == "untrusted":
            return _Issuer("Nobody's CA").issue(GOOD_NAMES)
        raise ValueError(f"kind {kind!r}: one of {KINDS}")

    def files(self, kind="good"):
        """Paths of (certificate, key) of this kind, made on first use."""
        certificate_file = self.directory / f"{kind}.pem"
        key_file = self.directory / f"{kind}.key"
        if not certificate_file.exists():
            key, certificate = self._issue(kind)
            _write_key(key_file, key)
            _write_certificate(certificate_file, certificate)
        return str(certificate_file), str(key_file)

    def context(self, kind="good"):
        """A server-side ssl.SSLContext of this kind, made on first use."""
        if kind not in self._contexts:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            context.load_cert_chain(*self.files(kind))
            self._contexts[kind] = context
        return self._contexts[kind]

    def client_context(self):
        """What a well configured client uses: only this CA, names checked."""
        return ssl.create_default_context(cafile=self.ca_file)

    def switching_context(self, choose):
        """A server context that asks choose() for the kind per connection.

        The choice is made at the ClientHello, so that a running simulator
        can show its next client another certificate.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(*self.files("good"))

        def pick(tls, server_name, initial):
            kind = choose()
            if kind != "good":
                tls.context = self.context(kind)
        context.sni_callback = pick
        return context
