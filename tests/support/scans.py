"""PDFs with a text layer."""


def create_pdf(*pages: str) -> bytes:
    """Create a PDF that shows one line of text on each page."""
    parts = [b"%PDF-1.4"]
    for number, text in enumerate(pages):
        content = f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET".encode()
        page = f"{2 * number + 1} 0 obj << /Type /Page /Contents {2 * number + 2} 0 R >> endobj"
        head = f"{2 * number + 2} 0 obj << /Length {len(content)} >>\nstream\n".encode()
        parts += [page.encode(), head + content + b"\nendstream endobj"]
    return b"\n".join([*parts, b"%%EOF"])
