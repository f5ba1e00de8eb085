# Plain `make` lists what there is.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PORT ?= 8080
FUZZ_SECONDS ?= 60
CHAOS ?=
PROGRAMS := $(or $(CARGO_TARGET_DIR),target)/debug

# Always the whole workspace, never --package: cargo joins the features of what it builds together, and would
# build most dependencies once more for each other choice.

.PHONY: help run test test-brokers check infra chaos cluster bench fuzz clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: ## build and start everything in one process on http://localhost:8080 (PORT= to change)
	@cargo build --workspace --bin bellwire
	@exec $(PROGRAMS)/bellwire dev --port $(PORT) $(foreach kind,imports reports workflows,--set $(kind).definitions=functions/$(kind)/examples)

test: ## every test, with a RabbitMQ and a PostgreSQL of its own; ONLY=contract FILTER=reconnecting for some of one binary
	tests/services.sh $(if $(ONLY),cargo test --workspace --test $(ONLY) -- $(FILTER),tests/everything.sh)

test-brokers: ## what speaks to the broker, on RabbitMQ 3.10, 4.0 and 4.3 and on clusters that lose a node; as root (VERSIONS=4.3 for one)
	tests/brokers.sh $(VERSIONS)

check: ## formatting, lints, documentation, the borders between the parts, shell and page, and what is not used
	tests/check.sh

infra: ## what deploys it: manifests, chart, alerts, image and proxy files, against schemas, rules of our own and planted faults
	tests/infra/run.sh

chaos: ## one fault after another befalls pods, broker, worker and network, and a table of what was lost; CHAOS="--seed 7 --only pod"
	cargo build --workspace --bins
	tests/services.sh tests/chaos/run.sh $(CHAOS)

cluster: ## RabbitMQ, gateway pods on 8081 and 8082 and a worker of each kind, as processes; Ctrl-C ends all
	cargo build --workspace --bins
	tests/services.sh --rabbitmq-only tests/cluster.sh --ports 8081,8082

bench: ## imports, reports, jobs, deliveries and connections against what others take for the same; prints ratios
	tests/services.sh --with-redis cargo bench --workspace --bench '*'

fuzz: ## what reads strangers' bytes against a fuzzer, a minute each (FUZZ_SECONDS= to change)
	fuzz/run.sh $(FUZZ_SECONDS)

clean: ## throw away what was built and what `make run` stored
	cargo clean
	rm -rf data
