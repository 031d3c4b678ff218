"""Reading files while they are sent."""

from typing_extensions import Generator

from orq_router_integrations.wire.call import Upload, UploadReadError


def iter_upload(upload: Upload, field_name: str, chunk_bytes: int) -> Generator[bytes]:
    """The bytes of a file, piece by piece.

    Args:
        upload: the file.
        field_name: of what it is sent as, for errors.
        chunk_bytes: most bytes of a piece.

    Raises:
        SourceChangedError: it cannot be read, or has not the size that it had.
    """
    sent = 0
    try:
        with upload.open() as stream:
            while piece := stream.read(chunk_bytes):
                sent += len(piece)
                if sent > upload.size:
                    break
                yield piece
    except OSError as error:
        raise UploadReadError(f"{field_name}: cannot read {upload.filename}: {error}") from None
    if sent != upload.size:
        raise UploadReadError(f"{field_name}: {upload.filename} changed while it was sent")
