"""local/cloud.py with a small template: what the template says is what happens, and no more."""

import json
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import psutil
import pytest
import yaml

from webui_async.local.cloud import Cloud
from webui_async.local.deployment import deploy_template
from webui_async.local.errors import StackError, TemplateError
from webui_async.local.template import load_yaml

STACK = Path(__file__).parent / "stack"
NOBODY = "http://127.0.0.1:9"


def written(folder, change):
    """The small template, changed, in a folder with its code."""
    shutil.copytree(STACK / "code", folder / "code")
    template = load_yaml(STACK / "template.yaml")
    change(template)
    (folder / "template.yaml").write_text(yaml.safe_dump(template))
    return folder / "template.yaml"


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """Starts a cloud from the small template, changed before by `change`."""
    clouds = []

    def start(change=lambda template: None):
        folder = tmp_path_factory.mktemp("cloud")
        clouds.append(Cloud.start(folder))
        clouds[-1].deploy(written(folder, change), {}, NOBODY, stack="small")
        return clouds[-1]

    yield start
    for cloud in clouds:
        cloud.stop()


@pytest.fixture
def make(cloud, tmp_path):
    """Makes the changed template's resources beside the others, and starts nothing."""

    def make(change):
        return deploy_template(
            cloud.plane, written(tmp_path, change), {}, tmp_path.name.replace("_", "-").lower()
        )

    return make


@pytest.fixture(scope="module")
def cloud(start):
    return start()


def call(cloud, method, path, key=None, **options):
    headers = {"x-api-key": cloud.api_key.value if key is None else key}
    return httpx.request(
        method, cloud.api_url + path, headers=headers, trust_env=False, timeout=10, **options
    )


def has(cloud, key, timeout_s=5.0):
    s3, deadline = cloud.client("s3"), time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        listed = s3.list_objects_v2(Bucket=cloud.deployed.outputs["BucketName"], Prefix=key)
        if listed["KeyCount"]:
            return True
        time.sleep(0.02)
    return False


def test_a_post_becomes_an_object_an_event_and_what_follows_it(cloud):
    assert call(cloud, "POST", "/jobs/1").status_code == 200
    assert has(cloud, "seen/jobs%2F1%2Fresult.json")  # S3 events quote their keys
    assert "writing /jobs/1" in cloud.function_log("Front").read_text()


def test_the_api_asks_for_a_key_where_the_template_does(cloud):
    refused = call(cloud, "POST", "/jobs/2", key="wrong")
    assert (refused.status_code, refused.headers["content-type"]) == (403, "application/problem+json")
    assert refused.json() == {"code": "no_api_key", "path": "/v1/jobs/2"}
    assert call(cloud, "GET", "/health", key="wrong").status_code == 200
    assert call(cloud, "GET", "/elsewhere").json() == {"message": "Missing Authentication Token"}
    assert httpx.get(cloud.api_url[:-1] + "2/health", trust_env=False).status_code == 403


def test_another_key_opens_the_api_too(cloud):
    assert call(cloud, "POST", "/jobs/3", key=cloud.add_api_key("guest").value).status_code == 200


def test_a_function_that_fails_is_a_502_in_the_templates_words(cloud):
    for query in ("raise=1", "exit=1", "sleep=3"):
        answer = call(cloud, "GET", f"/health?{query}")
        assert (answer.status_code, answer.json()["code"]) == (502, "failed")


def test_a_body_over_the_limit_is_413(cloud):
    assert call(cloud, "POST", "/jobs/4", content=b"x" * (11 << 20)).status_code == 413
    assert call(cloud, "POST", "/jobs/4", content=b"x" * (7 << 20)).status_code == 413


def test_a_function_is_refused_what_its_role_does_not_allow(cloud):
    assert call(cloud, "POST", "/jobs/5?prefix=uploads").status_code == 502
    assert "not authorized to perform: s3:PutObject" in cloud.function_log("Front").read_text()


def test_a_message_of_the_topic_reaches_the_function(cloud):
    cloud.client("sns").publish(TopicArn=cloud.deployed.outputs["ErrorsTopic"], Message="from-sns")
    assert has(cloud, "seen/from-sns")


def test_a_schedule_runs_when_it_is_told(cloud):
    assert cloud.run_schedule("BackClock") == "Scheduled Event"


def test_the_keys_of_a_function_are_its_roles(cloud):
    credentials = cloud.plane.assume(cloud.deployed.outputs["BackRole"])
    allowed = cloud.permissions.is_allowed
    assert allowed(credentials.access_key_id, "s3:PutObject", "arn:aws:s3:::small-bucket/seen/x")
    assert not allowed(credentials.access_key_id, "s3:PutObject", "arn:aws:s3:::small-bucket/jobs/x")


def test_a_name_that_is_not_there_is_told(cloud):
    with pytest.raises(StackError, match="no function 'Side'; there are small-Back, small-Front"):
        cloud.invoke("Side", {})


def messages(cloud, url):
    """The queue's messages, S3's own test message left out."""
    received = cloud.client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    return [message["Body"] for message in received if "s3:TestEvent" not in message["Body"]]


# What is taken out of the template stops working ------------------------------------------------------------


def without(*path):
    def change(template):
        place = template["Resources"]
        for name in path[:-1]:
            place = place[name]
        del place[path[-1]]

    return change


def test_without_its_route_a_path_is_unknown(start):
    cloud = start(without("Front", "Properties", "Events", "Put"))
    assert call(cloud, "POST", "/jobs/1").status_code == 403
    assert call(cloud, "GET", "/health").status_code == 200


def test_without_its_event_the_function_hears_nothing(start):
    cloud = start(without("Back", "Properties", "Events", "Queue"))
    assert call(cloud, "POST", "/jobs/1").status_code == 200
    assert not has(cloud, "seen/jobs", 0.5)


def test_without_its_policy_the_function_is_refused(start):
    cloud = start(without("Front", "Properties", "Policies"))
    assert call(cloud, "POST", "/jobs/1").status_code == 502


def test_without_its_notification_the_bucket_tells_nobody(cloud, make):
    outputs = make(without("Bucket", "Properties", "NotificationConfiguration")).outputs
    cloud.client("s3").put_object(
        Bucket=outputs["BucketName"], Key="jobs/1/result.json", Body=b"", IfNoneMatch="*"
    )
    assert messages(cloud, outputs["QueueUrl"]) == []


@pytest.mark.parametrize("statements", [2, 1])
def test_without_the_queues_consent_topics_do_not_reach_it(cloud, make, statements):
    def keep(template):
        del template["Resources"]["EventsPolicy"]["Properties"]["PolicyDocument"]["Statement"][statements:]

    outputs = make(keep).outputs
    messages(cloud, outputs["QueueUrl"])  # S3 has tried the queue
    cloud.client("sns").publish(TopicArn=outputs["ErrorsTopic"], Message="from-sns")
    assert len(messages(cloud, outputs["QueueUrl"])) == statements - 1


def test_without_the_queues_consent_the_bucket_cannot_be_made(make):
    with pytest.raises(TemplateError, match=r"S3 may not send to .*-Events"):
        make(without("EventsPolicy", "Properties", "PolicyDocument", "Statement", 0))


def test_without_its_queue_the_template_cannot_be_made(make):
    with pytest.raises(TemplateError, match="Events"):
        make(without("Events"))


def test_without_the_write_once_policy_anybody_overwrites(cloud, make):
    bucket = make(without("BucketPolicy")).outputs["BucketName"]
    for _ in range(2):
        cloud.client("s3").put_object(Bucket=bucket, Key="jobs/1/result.json", Body=b"")


def test_a_parameter_reaches_what_it_is_for(make):
    def lower(template):
        template["Parameters"]["Quota"]["Default"] = 2

    (plan,) = make(lower).usage_plans.values()
    assert plan.quota == 2


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            lambda t: t["Resources"].update(Table={"Type": "AWS::DynamoDB::Table"}),
            "Table is a AWS::DynamoDB::Table",
        ),
        (lambda t: t["Resources"]["Errors"].update(Properties={"FifoTopic": True}), "Errors has FifoTopic"),
        (
            lambda t: t["Resources"]["Events"]["Properties"].update(VisibilityTimeout="x"),
            "Events .* is refused",
        ),
        (
            lambda t: t["Resources"]["Back"]["Properties"]["Events"]["Clock"]["Properties"].update(
                Schedule="cron(1)"
            ),
            r"BackClock has the schedule 'cron\(1\)'",
        ),
    ],
)
def test_what_the_stack_cannot_do_is_refused_by_name(make, change, told):
    with pytest.raises(TemplateError, match=told):
        make(change)


def test_a_function_that_cannot_be_imported_stops_the_deployment(start):
    def rename(template):
        template["Resources"]["Back"]["Properties"]["Handler"] = "absent.handler"

    with pytest.raises(StackError, match="No module named 'absent'"):
        start(rename)


def test_a_taken_port_is_told(cloud, tmp_path):
    port = int(cloud.api_url.rsplit(":", 1)[1].partition("/")[0])
    with pytest.raises(StackError, match=f"cannot listen on 127.0.0.1:{port}"):
        Cloud.start(tmp_path, port=port)


def test_stopping_breaks_off_a_held_line_and_leaves_no_process(start):
    cloud = start()
    pids = cloud.function_pids("Front") + cloud.function_pids("Back")
    assert len(pids) == 2
    answers = []
    held = threading.Thread(target=lambda: answers.append(call(cloud, "GET", "/health?sleep=1.9&say=held")))
    held.start()
    while "held" not in cloud.function_log("Front").read_text():
        time.sleep(0.01)
    cloud.stop()
    held.join(5)
    assert answers[0].status_code == 502
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    with pytest.raises(httpx.TransportError):
        httpx.get(cloud.api_url, trust_env=False)


def test_nothing_outlives_a_killed_owner(tmp_path):
    path = written(tmp_path, lambda template: None)
    script = (
        "import sys, time; from pathlib import Path; from webui_async.local.cloud import Cloud\n"
        "cloud = Cloud.start(Path(sys.argv[1]))\n"
        "cloud.deploy(Path(sys.argv[2]), {}, 'http://127.0.0.1:9')\n"
        "print('up', flush=True); time.sleep(60)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path), str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as owner:
        assert owner.stdout.readline() == b"up\n"
        children = [child.pid for child in psutil.Process(owner.pid).children(recursive=True)]
        owner.kill()
    assert len(children) == 3
    deadline = time.monotonic() + 5
    while any(map(psutil.pid_exists, children)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(map(psutil.pid_exists, children))


def test_outputs_are_plain_text(cloud):
    assert json.dumps(cloud.deployed.outputs)
    assert cloud.deployed.outputs["QueueUrl"].startswith(cloud.endpoint_url)
