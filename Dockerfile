# The image contains the rosterd binary, libpq and the CA certificates, and runs as an unprivileged user. It does not contain
# PostgreSQL: set DATABASE_URL and ROSTERD_SECRET_KEY (compose.yaml sets both).

FROM rust:1.95-slim-trixie AS build
WORKDIR /src

# Package versions are those of the base image's Debian release. Pinned versions disappear from its archive with the next update.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libpq-dev pkg-config \
    && rm -rf /var/lib/apt/lists/*

# Build the dependencies first, with an empty program. This layer is cached until Cargo.toml or Cargo.lock changes.
COPY Cargo.toml Cargo.lock ./
RUN mkdir src \
    && touch src/lib.rs \
    && echo 'fn main() {}' > src/main.rs \
    && cargo build --release --locked

# cargo compares modification times, and the sources may be older than the empty program.
COPY migrations migrations
COPY src src
RUN touch src/lib.rs src/main.rs \
    && cargo build --release --locked


FROM debian:trixie-slim

# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates libpq5 \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 rosterd \
    && useradd --uid 10001 --gid rosterd --no-log-init --no-create-home --home-dir /nonexistent \
        --shell /usr/sbin/nologin rosterd

COPY --from=build /src/target/release/rosterd /usr/local/bin/rosterd

# A numeric id lets an orchestrator verify that the user is not root.
USER 10001:10001
ENV ROSTERD_ADDR=0.0.0.0:8080
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 CMD ["rosterd", "health"]
ENTRYPOINT ["rosterd"]
CMD ["serve"]
