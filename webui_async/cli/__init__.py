"""The console script: arguments -> one call into the library. An error ends it with one sentence."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from webui_async import __version__
from webui_async.cli import endpoint, models, simulate, stack
from webui_async.contract.errors import PipelineError
from webui_async.contract.signature import owner_secret

LOCAL_HINT = "this needs the extra `local`: run `make demo`, or pip install 'webui-async[local]'"
#: Package -> what to do when it is missing; LOCAL_HINT for all others.
HINTS = {"matplotlib": "--plot needs the extra `simulate`: pip install 'webui-async[simulate]'"}


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 0 done, 1 failed with one sentence on standard error, 130 interrupted."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except PipelineError as error:
        print(f"webui-async: {error}", file=sys.stderr)
    except ModuleNotFoundError as error:
        print(
            f"webui-async: {error.name} is not installed; {HINTS.get(error.name or '', LOCAL_HINT)}",
            file=sys.stderr,
        )
    except KeyboardInterrupt:
        return 130
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="webui-async", description="Stock stable-diffusion-webui as an asynchronous API."
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, run, port, text in (
        ("demo", _demo, 0, "one job through the whole road on this machine, then stop"),
        ("up", _up, 8765, "the same stack, left running until Ctrl-C"),
    ):
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument(
            "--port", type=int, default=port, help="port of the API, 0 for a free one (default: %(default)s)"
        )
        command.add_argument(
            "--models", type=Path, default=Path("model_layout"), help="model tree (default: %(default)s)"
        )
        command.add_argument(
            "--out", type=Path, default=Path("out"), help="pictures and logs (default: %(default)s)"
        )
        command.set_defaults(run=run)
    models.add_command(commands)
    stack.add_command(commands)
    endpoint.add_command(commands)
    simulate.add_command(commands)
    secret = commands.add_parser(
        "callback-secret", help="an owner's callback secret, from the stack's master secret"
    )
    secret.add_argument("owner", help="the API key's id, or the owner it is an alias of")
    secret.add_argument("--secret-arn", required=True, help="output CallbackSecretArn of the stack")
    secret.set_defaults(run=_callback_secret)
    return parser


def _demo(options: argparse.Namespace) -> int:
    from webui_async.local.demo import run_demo

    return run_demo(options.models, options.out, options.port)


def _up(options: argparse.Namespace) -> int:
    from webui_async.local.demo import run_up

    return run_up(options.models, options.out, options.port)


def _callback_secret(options: argparse.Namespace) -> int:
    import boto3

    answer = boto3.client("secretsmanager").get_secret_value(SecretId=options.secret_arn)
    print(owner_secret(json.loads(answer["SecretString"])["current"], options.owner))
    return 0
