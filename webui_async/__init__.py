"""webui-async: stock stable-diffusion-webui as an asynchronous image API."""

__version__ = "0.1.0"
