"""Every figure that we claim, measured here: `make bench`, or `make bench ONLY=name`."""
