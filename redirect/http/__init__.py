"""What every app needs of HTTP: who asks, and what a body or a static file is on the wire."""
