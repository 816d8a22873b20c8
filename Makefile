# SPDX-License-Identifier: Apache-2.0
#
# `make lab` and `make test` set up what they need on a Debian 12 machine with Go, as root. `make help` lists the rest.

SHELL       := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# libvirt is loaded at run time, so that one binary serves every distribution.
export GOFLAGS := -buildvcs=false -tags=libvirt_dlopen
export PATH    := $(CURDIR)/bin/tools:$(PATH)

VERSION  ?= $(shell cat VERSION)
MODULE   := github.com/rhyzome/rhyzome
LDFLAGS  := -X main.version=$(VERSION) -X $(MODULE)/sdk/plugin.Version=$(VERSION) \
            -X $(MODULE)/plugins/libvirt.Version=$(VERSION) -X $(MODULE)/plugins/openwrt.Version=$(VERSION)
COMMANDS := ./cmd/rhyzome ./cmd/rhyzome-conformance ./plugins/libvirt/cmd/rhyzome-libvirt \
            ./plugins/openwrt/cmd/rhyzome-openwrt ./plugins/examples/memory/cmd/rhyzome-memory \
            ./plugins/examples/hello-compute/cmd/rhyzome-hello-compute ./plugins/examples/hello-network/cmd/rhyzome-hello-network \
            ./plugins/examples/process/cmd/rhyzome-process

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

.PHONY: packages
packages: ## Install the missing Debian packages, starting none of their daemons
	@scripts/packages

.PHONY: test-packages
test-packages: ## Install what only tests and generated files need, too
	@scripts/packages tests

.PHONY: build
build: packages ## Build all binaries into bin/
	@echo "building bin/"
	@mkdir -p bin
	@go build -trimpath -ldflags '$(LDFLAGS)' -o bin/ $(COMMANDS)

.PHONY: lab
lab: build ## Set up the whole system on this machine and prove that it works
	@bin/rhyzome lab up

.PHONY: lab-down
lab-down: ## Remove every trace of the lab
	@bin/rhyzome lab down

.PHONY: test
test: build test-unit test-conformance test-lab ## Run every test, the lab's proof included

# Programs built with -race sleep a second when they exit (GORACE); the lab's router runs dozens for each change.
.PHONY: test-unit
test-unit: node-modules ## Unit tests with the race detector
	GORACE=atexit_sleep_ms=0 go test -race -timeout 12m $$(go list ./... | grep -v '/endtoend')

CONFORMANCE := bin/rhyzome-conformance run --profile extended

.PHONY: test-conformance
test-conformance: export GORACE := atexit_sleep_ms=0
test-conformance: build node-modules ## The conformance suite over real processes, as children and attached
	go build -race -trimpath -o bin/race/ ./plugins/examples/.../cmd/...
	for p in memory hello-compute hello-network process; do for way in "" "--attach 127.0.0.1:0"; do \
		$(CONFORMANCE) --plugin bin/race/rhyzome-$$p --params plugins/examples/$$p/conformance.yaml $$way; done; done
	for way in --no-auto-mtls "--attach 127.0.0.1:0"; do \
		$(CONFORMANCE) --plugin plugins/examples/node/main.js --params plugins/examples/node/conformance.yaml $$way; done
	$(CONFORMANCE) --plugin plugins/examples/python/provider.py --params plugins/examples/python/conformance.yaml --no-auto-mtls
	$(CONFORMANCE) --plugin bin/rhyzome --params plugins/examples/python/conformance.yaml --attach 127.0.0.1:0 -- \
		relay {} --no-auto-mtls -- plugins/examples/python/provider.py

# What the provider in Node stands on: as its lock file says, without scripts.
.PHONY: node-modules
node-modules: test-packages plugins/examples/node/node_modules/.package-lock.json
plugins/examples/node/node_modules/.package-lock.json: plugins/examples/node/package-lock.json
	cd plugins/examples/node && npm ci --ignore-scripts --no-audit --no-fund
	@touch $@

.PHONY: test-lab
test-lab: build ## The end-to-end tests: the whole lab, its proof, crashes and bad input
	go test -timeout 25m -count=1 -v ./lab/endtoend

# Too slow for every change, and why. Who touches its subject runs it.
#   test-fresh   debootstraps Debian and builds everything cold: half an hour; for packages, scripts, Makefile, lab/machine
#   test-reconnects  loses 10,000 connections, a minute; for sdk/attach and core/pluginhost
#   test-matrix  tries every broken provider with every conformance case, 5 minutes; for conformance
.PHONY: test-slow
test-slow: test-fresh test-reconnects test-matrix ## What is too slow for every change; the Makefile says why

.PHONY: test-fresh
test-fresh: ## Run `make lab` and `make test` in a debootstrapped Debian 12 with nothing but Go
	scripts/test-fresh

.PHONY: test-reconnects
test-reconnects: ## Lose ten thousand connections, and count what is left behind
	RHYZOME_TEST_RECONNECTS=10000 go test -count=1 -v -run TestReconnectsLeakNothing ./core/pluginhost

.PHONY: test-matrix
test-matrix: ## Try every broken provider with every conformance case: is each case needed?
	RHYZOME_TEST_MATRIX= go test -count=1 -v -timeout 30m -run TestMatrix ./conformance

.PHONY: check
check: tools ## Everything that can be seen without running: format, lint, contract, generated files, architecture
	scripts/check

.PHONY: generate
generate: tools ## Write every generated file anew
	bin/tools/buf generate
	bin/tools/buf generate plugins/examples/proto --template plugins/examples/proto/buf.gen.yaml
	go generate ./...

.PHONY: bench
bench: ## Benchmarks: ratios within one run
	go test -run '^$$' -bench . -benchtime 2s $$(go list ./... | grep -v '/endtoend')

.PHONY: tools
tools: test-packages bin/tools/.built ## Build the tools that check and generate
bin/tools/.built: tools/go.mod tools/go.sum
	@echo "building bin/tools/ (some minutes, once)"
	@mkdir -p bin/tools
	@cd tools && GOFLAGS=-buildvcs=false go build -o ../bin/tools/ tool
	@touch $@

.PHONY: clean
clean: ## Remove what was built
	rm -rf bin
