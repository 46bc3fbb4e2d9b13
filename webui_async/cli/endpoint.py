"""`webui-async endpoint …`: the endpoint of a stack, from its plan to its end."""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from webui_async.cli.words import Commands, add_command_of_words, add_word
from webui_async.contract.errors import InvalidOption
from webui_async.contract.times import to_epoch

if TYPE_CHECKING:
    from webui_async.deploy.clients import Aws
    from webui_async.deploy.spec import EndpointSpec

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_AGO = re.compile(r"(\d+)([smhd])")


def add_command(commands: Commands) -> None:
    """`endpoint` and its words are among the commands."""
    text = "the SageMaker endpoint of a stack: plan, apply, status, logs, scale, delete"
    words = add_command_of_words(commands, "endpoint", text)
    _add_spec(add_word(words, "plan", _plan, "print what apply would do, what it costs, what it waits for"))
    apply = add_word(words, "apply", _apply, "make the endpoint what the spec says; goes on where it stopped")
    _add_spec(apply)
    apply.add_argument(
        "--models",
        type=Path,
        metavar="DIR",
        help="push this model tree first, as a pack of the folder's name, and use it as the pack",
    )
    apply.add_argument(
        "--wait",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="until SageMaker has created or updated; without, run apply again for the rest",
    )
    status = add_word(words, "status", _status, "instances, backlog, scaling, the last failure")
    logs = add_word(words, "logs", _logs, "what the containers print")
    logs.add_argument(
        "--since", default="15m", help="such as 90s, 15m, 2h, 1d or a time (default: %(default)s)"
    )
    logs.add_argument("--follow", action="store_true", help="go on until Ctrl-C")
    scale = add_word(words, "scale", _scale, "other bounds or number of instances; apply resets bounds")
    for flag, meaning in (
        ("--min", "least number of instances"),
        ("--max", "greatest number of instances"),
        ("--now", "number of instances from now on, until scaling decides otherwise"),
    ):
        scale.add_argument(flag, type=int, metavar="N", help=meaning)
    delete = add_word(words, "delete", _delete, "remove the endpoint and all that was made for it")
    delete.add_argument("--logs", action="store_true", help="what the containers printed too")
    for word in (status, logs, scale, delete):
        place = word.add_mutually_exclusive_group(required=True)
        place.add_argument("--stack", help="CloudFormation stack whose endpoint it is")
        place.add_argument("--name", help="the endpoint's name, where the stack is gone")


def _add_spec(word: argparse.ArgumentParser) -> None:
    """A file, and a flag for each field of a spec."""
    from webui_async.deploy.spec_reader import FIELDS, is_list, is_table, meanings

    word.add_argument(
        "--spec", type=Path, metavar="FILE.yaml", help="fields by their names; a flag outweighs it"
    )
    for name, meaning in meanings().items():
        flag = f"--{name.replace('_', '-')}"
        default = FIELDS[name].default
        told = f"{meaning} (default: {default})" if isinstance(default, (int, float, str)) else meaning
        told = told.replace("%", "%%")
        if is_table(name):
            word.add_argument(flag, dest=name, action="append", metavar="NAME=VALUE", help=told)
        else:
            word.add_argument(flag, dest=name, nargs="+" if is_list(name) else None, metavar="…", help=told)


def _spec(options: argparse.Namespace, aws: Aws, models: Path | None = None) -> EndpointSpec:
    """What the options and the file say. models: a tree to be pushed and used, when no pack is said."""
    from webui_async.deploy.endpoint import newest_image
    from webui_async.deploy.spec_reader import FIELDS, read_spec

    def image(said: Mapping[str, Any]) -> str:
        return newest_image(aws, said["stack"])

    def pack(said: Mapping[str, Any]) -> str:
        assert models is not None
        return _push(models, said["stack"], aws)

    fill = {"image": image} | ({"pack": pack} if models else {})
    return read_spec(options.spec, {name: getattr(options, name) for name in FIELDS}, fill)


def _push(models: Path, stack: str, aws: Aws) -> str:
    """The uri of the model tree as a pack in the stack's bucket."""
    from webui_async.cli.bar import Bar
    from webui_async.cli.models import ending_at_once
    from webui_async.deploy.stack import StackOutputs
    from webui_async.packager.places import PackPlace, make_s3_client
    from webui_async.packager.push import push

    bucket = StackOutputs.read(aws.client("cloudformation"), stack).bucket
    place = PackPlace.parse(f"s3://{bucket}/packs/{models.resolve().name}")
    with ending_at_once(), closing(make_s3_client()) as s3, Bar() as bar:
        return push(models, place, s3, progress=bar).uri


def _plan(options: argparse.Namespace) -> int:
    from webui_async.deploy.clients import Aws
    from webui_async.deploy.endpoint import plan_endpoint

    aws = Aws()
    print(plan_endpoint(_spec(options, aws), aws).text())
    return 0


def _apply(options: argparse.Namespace) -> int:
    from webui_async.deploy.aws_errors import GO_ON
    from webui_async.deploy.clients import Aws
    from webui_async.deploy.endpoint import apply_plan, plan_endpoint, wait_until_calm

    if options.models and options.pack:
        raise InvalidOption("--models", str(options.models), "it makes the pack, so leave out --pack")
    try:
        aws = Aws()
        spec = _spec(options, aws, options.models)
        if options.wait:
            wait_until_calm(spec, aws, _say)
        plan = plan_endpoint(spec, aws)
        print(f"{plan.text()}\n", flush=True)
        if plan.calls and apply_plan(plan, aws, _say, wait=options.wait):
            print(f"endpoint {plan.name} is what the spec says")
    except KeyboardInterrupt:
        print(f"webui-async: stopped. {GO_ON}", file=sys.stderr)
        return 130
    return 0


def _status(options: argparse.Namespace) -> int:
    from webui_async.deploy.status import read_status

    aws, name, _ = _place(options)
    print(read_status(aws, name, time.time()).text())
    return 0


def _logs(options: argparse.Namespace) -> int:
    from webui_async.deploy.logs import read_lines

    since_s = _since(options.since, time.time())
    aws, name, _ = _place(options)
    for line in read_lines(aws, name, since_s, follow=options.follow):
        print(line, flush=True)
    return 0


def _scale(options: argparse.Namespace) -> int:
    from webui_async.deploy.described import describe_held
    from webui_async.deploy.making import Maker
    from webui_async.deploy.scale import scale_calls

    aws, name, _ = _place(options)
    calls = scale_calls(describe_held(aws, name), least=options.min, most=options.max, now=options.now)
    maker = Maker(aws)
    for call in calls:
        _say(f"{call.verb} {call.sentence}")
        maker.make(call)
    if not calls:
        print(f"nothing to do: endpoint {name} is scaled like that already")
    return 0


def _delete(options: argparse.Namespace) -> int:
    from webui_async.deploy.delete import delete

    aws, name, bucket = _place(options)
    delete(aws, name, bucket, _say, logs=options.logs)
    print(f"nothing of endpoint {name} is left")
    return 0


def _place(options: argparse.Namespace) -> tuple[Aws, str, str | None]:
    """The clients, the endpoint's name, and the stack's bucket where there is a stack."""
    from webui_async.deploy.clients import Aws
    from webui_async.deploy.stack import StackOutputs

    aws = Aws()
    if options.stack is None:
        return aws, options.name, None
    outputs = StackOutputs.read(aws.client("cloudformation"), options.stack)
    return aws, outputs.endpoint, outputs.bucket


def _since(text: str, now: float) -> float:
    """Seconds since 1970. Raises InvalidOption."""
    if match := _AGO.fullmatch(text):
        return now - int(match[1]) * _UNITS_S[match[2]]
    try:
        return to_epoch(text)
    except ValueError as error:
        raise InvalidOption("--since", text, "it must be like 15m, 2h or 2026-01-31T12:00:00Z") from error


def _say(line: str) -> None:
    print(line, flush=True)
