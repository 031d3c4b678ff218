"""A self-signed certificate for a host that does not exist."""

import ssl
from pathlib import Path
from tempfile import TemporaryDirectory

CERTIFICATE = (
    "MIIBiTCCAS+gAwIBAgIUNzzzo3eaCXPIPzgznkpi1JfSQLYwCgYIKoZIzj0EAwIwGTEXMBUGA1UE"
    "AwwObm9ib2R5LmludmFsaWQwIBcNMjYxMTIwMTI0NjUwWhgPMjEyNjEwMjcxMjQ2NTBaMBkxFzAV"
    "BgNVBAMMDm5vYm9keS5pbnZhbGlkMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEYLJZkWRyGPl8"
    "EIdkGKiPU6/uRGQiYUFE8BZKJX1+GusMX8XVF1pg4Ivm0yXqDC2lz15FjhmbioY/R+cA6zVs7aNT"
    "MFEwHQYDVR0OBBYEFHq/KAvj1skMNZz8xXelT3do/B2AMB8GA1UdIwQYMBaAFHq/KAvj1skMNZz8"
    "xXelT3do/B2AMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDSAAwRQIhAN1BG5AAygIY9hEJ"
    "Rf9zuicIsKZQrZHGAeYIczGrbG7UAiAsUcsJT8IRUAeaJUE8yTr2Sz5VpCBLhJrajCifL6M3mQ=="
)
PRIVATE_KEY = (
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg5cB2GDmTvNIa8kcDKOlgcCgj3b0B"
    "gHkbcPZBsq9gZbqhRANCAARgslmRZHIY+XwQh2QYqI9Tr+5EZCJhQUTwFkolfX4a6wxfxdUXWmDg"
    "i+bTJeoMLaXPXkWOGZuKhj9H5wDrNWzt"
)


def create_untrusted_context() -> ssl.SSLContext:
    """Create the TLS context of a server with this certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with TemporaryDirectory() as directory:
        path = Path(directory, "both.pem")
        path.write_text(to_pem("PRIVATE KEY", PRIVATE_KEY) + to_pem("CERTIFICATE", CERTIFICATE))
        context.load_cert_chain(path)
    return context


def to_pem(label: str, data: str) -> str:
    return f"-----BEGIN {label}-----\n{data}\n-----END {label}-----\n"
