-- Service clients: programs that act for themselves (RFC 6749, section 4.4), and what they have been given.

CREATE TABLE service_clients (
    id             uuid        NOT NULL CONSTRAINT service_clients_pkey PRIMARY KEY,
    name           text        NOT NULL,
    -- The SHA-256 digest of the secret; the secret itself is nowhere.
    digest         bytea       NOT NULL,
    permissions    text[]      NOT NULL,
    rank           integer     NOT NULL CONSTRAINT service_clients_rank_range CHECK (rank BETWEEN 0 AND 999),
    is_active      boolean     NOT NULL DEFAULT true,
    version        bigint      NOT NULL DEFAULT 1,
    created_at     timestamptz NOT NULL,
    updated_at     timestamptz NOT NULL,
    secret_made_at timestamptz NOT NULL,
    -- To the minute.
    last_used_at   timestamptz
);

CREATE UNIQUE INDEX service_clients_name_key ON service_clients (lower(name));

-- One row for each access token that a client was given: a token whose row is gone is good for nothing.
CREATE TABLE client_grants (
    -- The `sid` of the token.
    id          uuid        NOT NULL CONSTRAINT client_grants_pkey PRIMARY KEY,
    client_id   uuid        NOT NULL CONSTRAINT client_grants_client_id_fkey
                            REFERENCES service_clients (id) ON DELETE CASCADE,
    -- As asked for; what of it the client does not hold any more is not given at use.
    permissions text[]      NOT NULL,
    created_at  timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL
);

CREATE INDEX client_grants_client_id_idx ON client_grants (client_id);
CREATE INDEX client_grants_expires_at_idx ON client_grants (expires_at);

-- Its last use is no news.
CREATE TRIGGER service_clients_changed_news
    AFTER UPDATE OF name, digest, permissions, rank, is_active
    ON service_clients FOR EACH ROW EXECUTE FUNCTION tell_of_party('id');
CREATE TRIGGER service_clients_deleted_news
    AFTER DELETE ON service_clients FOR EACH ROW EXECUTE FUNCTION tell_of_party('id');
CREATE TRIGGER client_grants_changed_news
    AFTER UPDATE ON client_grants FOR EACH ROW EXECUTE FUNCTION tell_of_party('client_id');
-- Nobody remembers those that have run out.
CREATE TRIGGER client_grants_deleted_news
    AFTER DELETE ON client_grants FOR EACH ROW
    WHEN (OLD.expires_at > now()) EXECUTE FUNCTION tell_of_party('client_id');
