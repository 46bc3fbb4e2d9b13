#!/usr/bin/env bash
# Builds the project's images and pushes them to Amazon ECR. docs/build-and-push.md says why it does what it does.
# stdout carries the images' URIs and nothing else; the commands, their output and every complaint go to stderr.
# Runs on bash 3.2 (macOS) and newer.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

usage() {
    cat <<'END'
Usage: ./build_and_push.sh [OPTION...] [REGION] [-- BUILD_OPTION...]

Builds every Dockerfile.NAME of the project for linux/amd64 and pushes it to Amazon ECR as
ACCOUNT.dkr.ecr.REGION.amazonaws.com/PREFIX-NAME:VERSION-COMMIT, where a repository is made if there is none.
An image that is there already is neither built nor pushed again. The last lines on stdout are the URIs.

  --only NAME                 only Dockerfile.NAME: inference or training
  --repository-prefix PREFIX  the repositories' names begin with it (webui-async)
  --dry-run                   show each command and change nothing; AWS is only asked what is there
  --help                      this text
  REGION                      else AWS_REGION, AWS_DEFAULT_REGION or the profile's
  BUILD_OPTION                passed to the build as it stands: -- --build-arg BASE_IMAGE=...
END
}

readonly KEEP_IMAGES=20 # an endpoint whose image is older than that many pushes cannot start instances any more
readonly LIFECYCLE_POLICY='{"rules": [
 {"rulePriority": 1, "description": "pushes that broke off",
  "selection": {"tagStatus": "untagged", "countType": "sinceImagePushed", "countUnit": "days", "countNumber": 7},
  "action": {"type": "expire"}},
 {"rulePriority": 2, "description": "the last '$KEEP_IMAGES' stay",
  "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": '$KEEP_IMAGES'},
  "action": {"type": "expire"}}]}'
# SageMaker refuses every other form, OCI's included: aws/amazon-sagemaker-feedback issue 180.
readonly DOCKER_MANIFEST=application/vnd.docker.distribution.manifest.v2+json

readonly NEWLINE=$'\n'

dry_run='' only='' prefix=webui-async region='' build_options=()      # asked for
images='' version='' revision='' tag='' engine='' registry='' logged_in='' # found out
account='' identity=''                                                    # empty in a dry run without credentials
answer=''                                                                 # of the last `ask'
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export AWS_PAGER='' # the AWS CLI 2 would open `less`

# --- talking ---------------------------------------------------------------------------------------------------------

say() { printf '%s\n' "$*" >&2; }

die() {
    say "build_and_push: $*"
    exit 1
}

# What stands in the way of a run; a dry run says so and goes on.
obstacle() {
    [ -n "$dry_run" ] || die "$@"
    say "build_and_push: a run would stop here: $*"
}

# The command as it could be typed.
show() {
    local word
    printf '+' >&2
    for word in "$@"; do
        case $word in
            *\'*) printf ' %q' "$word" >&2 ;;
            '' | *[!A-Za-z0-9_./:=,@%+-]*) printf " '%s'" "$word" >&2 ;;
            *) printf ' %s' "$word" >&2 ;;
        esac
    done
    printf '\n' >&2
}

# The last line that a command of `run` wrote.
last_line() { grep '[^[:space:]]' "$scratch/output" | tail -n 1; }

# --- running ---------------------------------------------------------------------------------------------------------

# Shows a command and runs it, unless this is a dry run. Its output is kept in $scratch/output.
run() {
    show "$@"
    [ -z "$dry_run" ] || return 0
    "$@" 2>&1 </dev/null | tee "$scratch/output" >&2
}

# Asks AWS without changing anything; what it says is left in $answer.
ask() { answer=$(aws --region "$region" --output text "$@" 2>"$scratch/complaint"); }

# Whether AWS has something: has NOT_FOUND_CODE ARGUMENT... Without the repository it has none of what would be in it.
# Any other complaint ends the run.
has() {
    local not_found=$1
    shift
    answer=''
    [ -n "$account" ] || return 1 # a dry run without credentials plans for an account where nothing is
    ask "$@" && return 0
    grep -qE "$not_found|RepositoryNotFoundException" "$scratch/complaint" || refused "$1" "$2"
    return 1
}

# Changes something on AWS, unless this is a dry run.
change() {
    show aws --region "$region" "$@"
    [ -z "$dry_run" ] || return 0
    aws --region "$region" "$@" >/dev/null 2>"$scratch/complaint" || refused "$1" "$2"
}

# The IAM action of a CLI command: action_of ecr create-repository -> ecr:CreateRepository
action_of() {
    [ "$2" != get-login-password ] || set -- "$1" get-authorization-token
    printf '%s:' "$1"
    printf '%s' "$2" | awk -F- '{for (i = 1; i <= NF; i++) printf "%s%s", toupper(substr($i, 1, 1)), substr($i, 2)}'
}

# What the complaint of an AWS call means and what to do about it, in one sentence.
meaning_of_complaint() {
    local said
    said=$(tr '\n' ' ' <"$scratch/complaint")
    case $said in
        *xpired*)
            printf 'the AWS credentials have expired: sign in again (aws sso login, or new keys in the environment)' ;;
        *"config profile"* | *"locate credentials"* | *"Partial credentials"* | *"SSO Token"*)
            printf 'no AWS credentials: run "aws configure" or "aws sso login", or set AWS_PROFILE' ;;
        *InvalidClientTokenId* | *UnrecognizedClient* | *SignatureDoesNotMatch*)
            printf 'AWS knows no such credentials in %s: check them, and that the region is enabled' "$region" ;;
        *AccessDenied* | *"not authorized to perform"*)
            printf '%s may not %s in %s: have that action granted, or this run by somebody who may' \
                "${identity:-this identity}" "$(action_of "$@")" "$region" ;;
        *"connect to the endpoint"* | *"onnect timeout"* | *"Invalid endpoint"*)
            printf 'nothing answers for the region %s: check its spelling and the network' "$region" ;;
        *)
            printf '%s in %s failed: %s' "$(action_of "$@")" "$region" "${said:-aws said nothing}" ;;
    esac
}

# Ends the run over an AWS call that failed: refused SERVICE COMMAND
refused() { die "$(meaning_of_complaint "$@")"; }

# --- what is asked for -----------------------------------------------------------------------------------------------

read_arguments() {
    while [ $# -gt 0 ]; do
        case $1 in
            --*=*)
                set -- "${1%%=*}" "${1#*=}" "${@:2}"
                continue ;;
            --only | --repository-prefix)
                [ -n "${2:-}" ] || die "$1 needs a value: ./build_and_push.sh --help shows it"
                if [ "$1" = --only ]; then only=$2; else prefix=$2; fi
                shift ;;
            --dry-run) dry_run=yes ;;
            --help | -h)
                usage
                exit 0 ;;
            --)
                shift
                build_options=("$@")
                return 0 ;;
            -*) die "there is no option $1: --help lists them, and a build's own options go after --" ;;
            *)
                [ -z "$region" ] || die "two regions, $region and $1: one run pushes to one, so run it once for each"
                region=$1 ;;
        esac
        shift
    done
}

# The images to build, one name a line.
image_names() {
    local file
    for file in Dockerfile.*; do
        # Not an editor's copy, nor BuildKit's Dockerfile.NAME.dockerignore.
        if [[ ${file#Dockerfile.} =~ ^[a-z0-9]+(-[a-z0-9]+)*$ ]]; then printf '%s\n' "${file#Dockerfile.}"; fi
    done
}

choose_images() {
    local there
    there=$(image_names)
    [ -n "$there" ] || die "no Dockerfile.NAME in $PWD: run the script of a complete checkout of the project"
    images=${only:-$there}
    [ -z "$only" ] || grep -qxF -- "$only" <<<"$there" ||
        die "there is no Dockerfile.$only: --only takes ${there//$NEWLINE/ or }"
    [[ $prefix =~ ^[a-z0-9]+([._/-][a-z0-9]+)*$ ]] ||
        die "'$prefix' cannot begin a repository's name: write lower case letters and digits, . _ / - between them"
}

# The tag names the version and the commit that the image is built from.
read_revision() {
    local changes
    command -v git >/dev/null || die "git is not installed, and the tag names the commit: install git"
    revision=$(git rev-parse --verify HEAD 2>"$scratch/complaint") || no_revision
    version=$(sed -n '/^version = "/{s/^version = "\(.*\)".*/\1/p;q;}' pyproject.toml)
    [ -n "$version" ] || die "pyproject.toml has no version = \"...\", which the tag names: put it back"
    tag=${version//[!A-Za-z0-9_.-]/-}-${revision:0:12}
    # Ours would be a tag that lies: it names a commit, and no later push can put it right.
    changes=$(git status --porcelain -- .)
    [ -z "$changes" ] || obstacle "not everything is committed ($(grep -c '' <<<"$changes"), the first is" \
        "${changes%%"$NEWLINE"*}), and the tag names a commit: commit or remove what git status shows"
}

no_revision() {
    case $(cat "$scratch/complaint") in
        *"dubious ownership"*)
            die "git does not trust another user's $PWD: git config --global --add safe.directory '$PWD'" ;;
        *"not a git repository"*)
            die "$PWD is not a git checkout, and the tag names the commit: clone the project instead of unpacking it" ;;
        *) die "git cannot tell the commit of $PWD, which the tag names: make a first commit" ;;
    esac
}

# --- where it goes ---------------------------------------------------------------------------------------------------

choose_region() {
    region=${region:-${AWS_REGION:-${AWS_DEFAULT_REGION:-}}}
    [ -n "$region" ] || region=$(aws configure get region 2>/dev/null) ||
        die "no region: say ./build_and_push.sh REGION, or set AWS_REGION"
    [[ $region =~ ^[a-z]{2,}(-[a-z]+)+-[0-9]+$ ]] || die "'$region' is not a region's name: it looks like eu-central-1"
}

find_account() {
    if ! command -v aws >/dev/null; then
        obstacle "the AWS CLI is not installed: https://aws.amazon.com/cli, or pip install awscli"
    elif ask sts get-caller-identity --query '[Account, Arn]'; then
        read -r account identity <<<"$answer"
    else
        obstacle "$(meaning_of_complaint sts get-caller-identity)"
    fi
    case $region in
        cn-*) registry=amazonaws.com.cn ;;
        eusc-*) registry=amazonaws.eu ;;
        *) registry=amazonaws.com ;;
    esac
    registry=${account:-ACCOUNT}.dkr.ecr.$region.$registry
}

# An IAM policy decides who of the account pushes and pulls; the endpoint pulls as its own role, so it needs nothing
# here. This policy says that nobody else ever does, whatever is allowed beside it later.
own_account_only() {
    printf '%s' '{"Version": "2012-10-17", "Statement": [{"Sid": "OwnAccountOnly", "Effect": "Deny", "Principal": "*",' \
        ' "Action": "ecr:*", "Condition": {"StringNotEquals": {"aws:PrincipalAccount": "'"${account:-ACCOUNT}"'"},' \
        ' "BoolIfExists": {"aws:PrincipalIsAWSService": "false"}}}]}'
}

# Creates what is missing of a repository: a run that broke off between two of these is completed, and what somebody
# set differently is left alone.
ensure_repository() {
    local repository=$1
    if has RepositoryNotFoundException ecr describe-repositories --repository-names "$repository" \
        --query 'repositories[0].imageTagMutability'; then
        [ "$answer" != MUTABLE ] || say "build_and_push: tags of $repository can be overwritten: aws ecr" \
            "put-image-tag-mutability --repository-name $repository --image-tag-mutability IMMUTABLE stops that"
    else
        change ecr create-repository --repository-name "$repository" --image-tag-mutability IMMUTABLE \
            --image-scanning-configuration scanOnPush=true --encryption-configuration encryptionType=AES256
    fi
    has LifecyclePolicyNotFoundException ecr get-lifecycle-policy --repository-name "$repository" ||
        change ecr put-lifecycle-policy --repository-name "$repository" --lifecycle-policy-text "$LIFECYCLE_POLICY"
    has RepositoryPolicyNotFoundException ecr get-repository-policy --repository-name "$repository" ||
        change ecr set-repository-policy --repository-name "$repository" --policy-text "$(own_account_only)"
}

# Whether the tag is in the repository. One that SageMaker would refuse ends the run.
is_pushed() {
    has ImageNotFoundException ecr describe-images --repository-name "$1" --image-ids "imageTag=$tag" \
        --query 'imageDetails[0].imageManifestMediaType' || return 1
    [ "$answer" = "$DOCKER_MANIFEST" ] || die "$registry/$1:$tag is of type $answer, which SageMaker refuses: remove it" \
        "(aws --region $region ecr batch-delete-image --repository-name $1 --image-ids imageTag=$tag)," \
        "then build with podman, buildah or docker with buildx"
}

# --- building and pushing --------------------------------------------------------------------------------------------

# The first of docker, podman and buildah that answers: an installed docker often has no daemon.
find_engine() {
    local candidate silent=''
    for candidate in docker podman buildah; do
        command -v "$candidate" >/dev/null || continue
        case $candidate-$("$candidate" --version 2>/dev/null) in
            docker-podman*) continue ;; # podman in docker's clothes does not know docker's options
        esac
        if "$candidate" info >/dev/null 2>&1; then
            engine=$candidate
            return 0
        fi
        silent="$silent $candidate"
    done
    if [ -n "$silent" ]; then
        obstacle "nothing here builds images (\"info\" fails for:$silent): start the docker daemon, with your user in" \
            "the group docker, or install podman or buildah, which need no daemon"
    else
        obstacle "nothing here builds images: install docker, podman or buildah"
    fi
    engine=docker
}

# Logs in once. The password passes through a pipe from a builtin, so no process has it among its arguments.
log_in() {
    [ -z "$logged_in" ] || return 0
    logged_in=yes
    say "+ aws --region $region ecr get-login-password | $engine login --username AWS --password-stdin $registry"
    [ -z "$dry_run" ] || return 0
    ask ecr get-login-password || refused ecr get-login-password
    printf '%s' "$answer" | "$engine" login --username AWS --password-stdin "$registry" >"$scratch/output" 2>&1 ||
        die "$engine could not log in to $registry: $(last_line)"
    answer=''
}

build() {
    local image=$1 uri=$2 command
    case $engine in
        docker) command=(docker build) ;; # without buildx docker writes the form that SageMaker takes by itself
        *) command=("$engine" build --format docker) ;;
    esac
    if [ "$engine" = docker ] && docker buildx version >/dev/null 2>&1; then
        command=(docker buildx build --provenance=false --output type=docker)
    fi
    run "${command[@]}" --platform linux/amd64 --file "Dockerfile.$image" --tag "$uri" \
        --build-arg "VERSION=$version" --build-arg "REVISION=$revision" \
        ${build_options[@]+"${build_options[@]}"} . || build_failed "Dockerfile.$image"
}

build_failed() {
    case $(cat "$scratch/output") in
        *"o space left on device"*)
            die "the disk is full while $engine builds $1: make room (df -h; $engine system prune; buildah rmi --prune)" ;;
        *"xec format error"*)
            die "this machine runs no linux/amd64, for which $1 is built: use one that does or install qemu-user-static" ;;
        *) die "$engine could not build $1, the cause stands above: $(last_line)" ;;
    esac
}

push() {
    local repository=$1 uri=$2
    run "$engine" push "$uri" || push_failed "$repository" "$uri"
    [ -n "$dry_run" ] || is_pushed "$repository" ||
        die "$engine pushed $uri, but ECR does not have it: run this again"
}

push_failed() {
    case $(cat "$scratch/output") in
        *immutable*) say "build_and_push: somebody else pushed $2 in the meantime" ;; # the same commit, so the same image
        *"token has expired"*) die "the log-in ran out before $2 was pushed: run this again, layers built are not built twice" ;;
        *denied* | *"no basic auth"* | *nauthorized* | *"403 Forbidden"*)
            die "$identity may not push to $1 in $region: have ecr:BatchCheckLayerAvailability, ecr:InitiateLayerUpload," \
                "ecr:UploadLayerPart, ecr:CompleteLayerUpload and ecr:PutImage granted on it ($(last_line))" ;;
        *"o space left on device"*) die "the disk is full while $engine pushes $2: make room (df -h)" ;;
        *) die "$engine could not push $2: run this again, layers that arrived are not sent twice ($(last_line))" ;;
    esac
}

publish() {
    local image=$1 repository=$prefix-$1
    local uri=$registry/$repository:$tag
    ensure_repository "$repository"
    if is_pushed "$repository"; then
        say "build_and_push: $uri is there already"
    else
        log_in
        build "$image" "$uri"
        push "$repository" "$uri"
    fi
    printf '%s\n' "$uri"
}

main() {
    local image
    read_arguments "$@"
    choose_images
    read_revision
    choose_region
    find_engine
    find_account
    for image in $images; do publish "$image"; done
}

main "$@"
