# The common tasks. `make` without a target lists them.
.DEFAULT_GOAL := help
.PHONY: help setup run test test-long lint bench docs

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install the packages for building and running (apt, dnf, apk or brew)
	@scripts/setup

# Uses the dev profile: it builds in a minute or two, `make test` shares it, and Argon2 is optimized in it (Cargo.toml), so
# a sign-in is as fast as in a release build.
run: setup ## build, then serve on 127.0.0.1:8080 with a private PostgreSQL
	@cargo run -- serve

test: ## run all tests except the long ones
	@scripts/setup --tests
	@echo "test: building (several minutes the first time)"
	@cargo test --no-run
	@echo "test: running the unit tests, then the integration tests, which start a private PostgreSQL and take several minutes; a test"
	@echo "test: that runs for more than a minute is reported by name and is not a failure"
	@cargo test

test-long: ## run the long tests, on a release build (minutes)
	@scripts/setup --tests
	cargo test --release --test api -- --ignored

lint: ## style, lints, documentation, scripts, Dockerfile, licences, security advisories
	@scripts/setup --lint
	@scripts/lint

bench: ## measure this machine, beside a bare actix-web handler (minutes; loopback only)
	@scripts/setup --bench
	@bench/run

docs: ## generate target/doc (rustdoc), target/man (man pages) and openapi/openapi.json
	cargo doc --no-deps
	mkdir -p openapi
	cargo run --quiet -- openapi > target/openapi.json
	mv target/openapi.json openapi/openapi.json
	cargo run --quiet -- man target/man
