"""What the bytes are that a request was sent with: pictures, PDFs, sound."""
