"""Run a module whose AWS requests are held against botocore's service model before they are sent.

`python -m webui_async.local.checked MODULE …` is `python -m MODULE …` with that one difference, for programs
that are not to know of the local stack: what AWS would refuse, it refuses.
"""

from __future__ import annotations

import runpy
import sys

import boto3

from webui_async.local.service_model import register


def check_requests() -> None:
    """The requests of every boto3 client that this process makes from now on are checked."""
    boto3.setup_default_session()
    assert boto3.DEFAULT_SESSION is not None
    register(boto3.DEFAULT_SESSION.events)


if __name__ == "__main__":
    check_requests()
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
