import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from harness.envoy.certificates import Authority, spiffe_id


def verify(certificate: x509.Certificate, authority: x509.Certificate) -> None:
    authority.public_key().verify(
        certificate.signature, certificate.tbs_certificate_bytes, ec.ECDSA(certificate.signature_hash_algorithm)
    )


def test_certificate_carries_exactly_the_identity_and_matches_its_key():
    issued = Authority("lab").issue(spiffe_id("shop", "client"))
    certificate = x509.load_pem_x509_certificate(issued.certificate)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [name.value for name in names] == ["spiffe://cluster.local/ns/shop/sa/client"]
    assert load_pem_private_key(issued.key, None).public_key().public_numbers() == certificate.public_key().public_numbers()
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_certificate_is_signed_by_its_own_lab_only():
    mine, other = Authority("mine"), Authority("other")
    certificate = x509.load_pem_x509_certificate(mine.issue("spiffe://cluster.local/ns/a/sa/b").certificate)
    verify(certificate, x509.load_pem_x509_certificate(mine.certificate))
    with pytest.raises(InvalidSignature):
        verify(certificate, x509.load_pem_x509_certificate(other.certificate))
