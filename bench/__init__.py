"""The service measured against what one would write instead: `make bench`, `make bench-desk`."""
