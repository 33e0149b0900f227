# rosterd: what one does here, by name. `make` alone lists it.
.DEFAULT_GOAL := help
.PHONY: help setup run test test-long lint bench docs

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install what building and running needs (apt, dnf, apk or brew)
	@scripts/setup

# The dev profile: it is built in a minute or two, `make test` shares it, and Argon2 is optimized in it (Cargo.toml), so
# that signing in is as fast as in a release.
run: setup ## build, then serve on 127.0.0.1:8080 with a private PostgreSQL
	@cargo run -- serve

test: ## run all tests except the long ones
	@scripts/setup --tests
	cargo test

test-long: ## run the long tests, on a release build (minutes)
	@scripts/setup --tests
	cargo test --release --test api -- --ignored

lint: ## style, lints, documentation, scripts, Dockerfile, licences
	@scripts/setup --lint
	@scripts/lint

bench: ## what it does on this machine, beside a bare handler (minutes; loopback only)
	@scripts/setup --bench
	@bench/run

docs: ## rustdoc into target/doc, the manual into target/man, and openapi/openapi.json anew
	cargo doc --no-deps
	mkdir -p openapi
	cargo run --quiet -- openapi > target/openapi.json
	mv target/openapi.json openapi/openapi.json
	cargo run --quiet -- man target/man
