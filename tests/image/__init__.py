"""`make image`: the image of Dockerfile.inference built without Docker, started, and drawing."""
