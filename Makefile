.DEFAULT_GOAL := help
UV := $(shell command -v uv 2>/dev/null || echo .uv/bin/uv)
RUN := .venv/bin
PYTEST := $(RUN)/python -m pytest

.PHONY: help demo test lint bench soak servers generated clean

help:  ## show these lines
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 12

.uv/bin/uv:
	python3 -m venv .uv
	.uv/bin/pip install --quiet uv

.venv/.synced: pyproject.toml uv.lock | $(filter .uv/bin/uv,$(UV))
	$(UV) sync --frozen --quiet
	@touch $@

demo: .venv/.synced  ## run simulated providers, the gateway and a dozen agents (DEMO='--seconds 60')
	$(RUN)/modelmeter demo $(DEMO)

servers:
	@command -v prometheus >/dev/null && command -v promtool >/dev/null || \
	  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq prometheus >/dev/null; }

generated: .venv/.synced  ## write the committed dashboards anew
	$(RUN)/modelmeter dashboard > src/modelmeter/dashboards/llm_usage_dashboard.json
	$(RUN)/modelmeter dashboard --shape bare > deploy/grafana/dashboards/llm_usage_dashboard.json

lint: .venv/.synced  ## linter, format, strict types, floors of the house
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/mypy
	$(RUN)/lint-imports

test: .venv/.synced servers lint  ## everything CI runs
	$(PYTEST)

soak: .venv/.synced servers  ## the long fault tests: 200 kills
	$(PYTEST) -m soak -s --timeout 3600

bench: .venv/.synced  ## speed beside LiteLLM's proxy and Portkey's gateway
	$(RUN)/python -m bench

clean:  ## remove what was installed here
	rm -rf .venv .uv bench/.peers
