.DEFAULT_GOAL := help
UV := $(shell command -v uv 2>/dev/null || echo .uv/bin/uv)
RUN := .venv/bin
PYTEST := $(RUN)/python -m pytest
INSTALL := apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends

.PHONY: help demo test lint bench bench-prices soak servers generated screenshots clean

help:  ## show these lines
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 12

.uv/bin/uv:
	python3 -m venv .uv
	.uv/bin/pip install --quiet uv

.venv/.synced: pyproject.toml uv.lock | $(filter .uv/bin/uv,$(UV))
	$(UV) sync --frozen --quiet
	@touch $@

demo: .venv/.synced  ## run simulated providers, the gateway and a dozen agents (DEMO='--seconds 60')
	$(RUN)/modelmeter demo $(DEMO)

servers: tests/dashboards/grafana_types/node_modules/.synced
	@missing=""; \
	command -v promtool >/dev/null || missing="$$missing prometheus"; \
	command -v chromium >/dev/null || missing="$$missing chromium"; \
	command -v amtool >/dev/null || missing="$$missing prometheus-alertmanager"; \
	command -v redis-server >/dev/null || missing="$$missing redis-server"; \
	test -z "$$missing" || { $(INSTALL) $$missing >/dev/null; }

tests/dashboards/grafana_types/node_modules/.synced: tests/dashboards/grafana_types/package-lock.json
	@command -v npm >/dev/null || { $(INSTALL) nodejs npm >/dev/null; }
	npm ci --silent --prefix $(dir $<)
	@touch $@

generated: .venv/.synced  ## write the committed dashboards and rules anew
	$(RUN)/modelmeter dashboard > src/modelmeter/dashboards/llm_usage_dashboard.json
	$(RUN)/modelmeter dashboard --shape bare > deploy/grafana/dashboards/llm_usage_dashboard.json
	$(RUN)/modelmeter dashboard rules > deploy/prometheus_rules.yml
	$(RUN)/modelmeter dashboard rules --kubernetes > deploy/kubernetes/prometheus_rule.yaml

screenshots: .venv/.synced servers  ## take the README's pictures of the page from the demo
	fc-list | grep -q Inter || { $(INSTALL) fonts-inter >/dev/null; }
	PYTHONPATH=tests/page $(RUN)/python tests/page/take_pictures.py

lint: .venv/.synced  ## linter, format, strict types, floors of the house
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/mypy
	$(RUN)/lint-imports

test: .venv/.synced servers lint  ## everything CI runs
	$(PYTEST) --numprocesses 2 --dist loadfile

soak: .venv/.synced servers  ## the long fault tests: 200 kills
	$(PYTEST) -m soak -s --timeout 3600

bench-prices: .venv/.synced  ## what each library says that calls cost, and how fast
	$(RUN)/python -m bench.prices

bench: .venv/.synced  ## speed beside LiteLLM's proxy and Portkey's gateway
	$(RUN)/python -m bench

clean:  ## remove what was installed here
	rm -rf .venv .uv bench/.peers tests/dashboards/grafana_types/node_modules
