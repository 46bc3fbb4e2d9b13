# `make` lists the words. demo and test each do all their own set-up: no step before them.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
# A machine whose pip finds no CPU build of torch: make demo PIP_ARGS="--extra-index-url <PyTorch's CPU index>"
PIP_ARGS ?=
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_ARGS) --constraint requirements.lock
SAM_VENV := .venv-sam
NOTEBOOK_VENV := .venv-notebooks

.DEFAULT_GOAL := help
.PHONY: help demo up test check bench conformance image notebooks functions clean

help: ## list these words
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "python3.11 is not on PATH: install it, or say make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is too old: Python 3.11 or newer is needed" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/local.stamp: $(BIN)/python pyproject.toml requirements.lock
	$(PIP) --editable '.[local]'
	@touch $@

$(VENV)/dev.stamp: $(BIN)/python pyproject.toml requirements.lock
	$(PIP) --editable '.[dev]'
	@touch $@ $(VENV)/local.stamp

$(SAM_VENV)/sam.stamp: requirements-sam.txt
	$(PYTHON) -m venv $(SAM_VENV)
	$(SAM_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --requirement requirements-sam.txt
	@touch $@

# The lock is complete, so pip need not search; the second line fails when it does not suit the extra.
$(NOTEBOOK_VENV)/notebook.stamp: requirements-notebooks.lock pyproject.toml
	$(PYTHON) -m venv $(NOTEBOOK_VENV)
	$(NOTEBOOK_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --requirement $<
	$(NOTEBOOK_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[notebook]'
	@touch $@

demo: $(VENV)/local.stamp ## one job through the whole road on this machine, then stop
	@$(BIN)/webui-async demo

up: $(VENV)/local.stamp ## the same stack, left running until Ctrl-C
	@$(BIN)/webui-async up

# Two at a time what needs no machine of its own; a file stays in one process, with what its tests share.
test: $(VENV)/dev.stamp ## unit, contract and e2e tests (ARGS="tests/unit -k name" for some)
ifdef ARGS
	$(BIN)/python -m pytest $(ARGS)
else
	$(BIN)/python -m pytest tests/unit tests/contract --numprocesses 2 --dist loadfile
	$(BIN)/python -m pytest tests/e2e
endif

check: $(VENV)/dev.stamp $(SAM_VENV)/sam.stamp ## ruff, mypy, hadolint, shellcheck, cfn-lint, sam validate, sam build
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy webui_async serve
	MYPYPATH=lambda:. $(BIN)/mypy --explicit-package-bases lambda
	$(BIN)/hadolint Dockerfile.inference
	$(BIN)/shellcheck build_and_push.sh stable-diffusion-webui/fetch.sh .ci/run
	$(BIN)/cfn-lint template.yaml
	SAM_CLI_TELEMETRY=0 $(SAM_VENV)/bin/sam validate --lint --region eu-central-1 --template template.yaml
	SAM_CLI_TELEMETRY=0 $(SAM_VENV)/bin/sam build --region eu-central-1 --build-dir build/sam

bench: $(VENV)/dev.stamp ## every figure we claim, measured (ONLY=name for one)
	$(BIN)/python -m benchmarks $(ONLY)

conformance: $(VENV)/dev.stamp ## replay the recorded webui against diffusers_webui, or against WEBUI_URL=http://…
	@$(BIN)/python -m tests.conformance $(WEBUI_URL)

image: $(VENV)/dev.stamp ## build the container with buildah, start it, and draw one job in it (as root; Debian)
	@$(BIN)/python -m tests.image $(ARGS)

notebooks: $(VENV)/dev.stamp $(NOTEBOOK_VENV)/notebook.stamp ## execute the notebooks against the local stack; pages in out/notebooks
	@NOTEBOOK_PYTHON=$(NOTEBOOK_VENV)/bin/python $(BIN)/python -m pytest tests/notebooks

clean: ## remove what make made
	rm -rf $(VENV) $(SAM_VENV) $(NOTEBOOK_VENV) .aws-sam build out
