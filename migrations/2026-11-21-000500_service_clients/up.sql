-- Service clients: programs that use the client credentials grant (RFC 6749, section 4.4) and act on their own behalf.

CREATE TABLE service_clients (
    id                uuid        NOT NULL CONSTRAINT service_clients_pkey PRIMARY KEY,
    name              text        NOT NULL,
    -- SHA-256 of the client secret. The secret itself is not stored.
    secret_digest     bytea       NOT NULL,
    permissions       text[]      NOT NULL,
    -- Lower than the rank of SuperAdmin.
    rank              integer     NOT NULL CONSTRAINT service_clients_rank_check CHECK (rank BETWEEN 0 AND 999),
    is_active         boolean     NOT NULL DEFAULT true,
    -- Incremented on every change; the ETag for conditional requests (If-Match).
    version           bigint      NOT NULL DEFAULT 1,
    created_at        timestamptz NOT NULL,
    updated_at        timestamptz NOT NULL,
    secret_created_at timestamptz NOT NULL,
    -- Accurate to the minute.
    last_used_at      timestamptz
);

CREATE UNIQUE INDEX service_clients_name_key ON service_clients (lower(name));

-- Using a client (last_used_at) does not notify.
CREATE TRIGGER service_clients_notify_on_update
    AFTER UPDATE OF name, secret_digest, permissions, rank, is_active
    ON service_clients FOR EACH ROW EXECUTE FUNCTION notify_principal_invalidated('id');
CREATE TRIGGER service_clients_notify_on_delete
    AFTER DELETE ON service_clients FOR EACH ROW EXECUTE FUNCTION notify_principal_invalidated('id');

CREATE TRIGGER service_clients_record_revocation_on_update
    AFTER UPDATE OF permissions ON service_clients FOR EACH ROW
    WHEN (OLD.permissions IS DISTINCT FROM NEW.permissions)
    EXECUTE FUNCTION record_revocation('sub', 'id', 'client:');

-- One row for each access token that was issued to a client. Deleting the row revokes the token.
CREATE TABLE client_access_tokens (
    -- The "sid" claim of the token.
    id          uuid        NOT NULL CONSTRAINT client_access_tokens_pkey PRIMARY KEY,
    client_id   uuid        NOT NULL CONSTRAINT client_access_tokens_client_id_fkey
                            REFERENCES service_clients (id) ON DELETE CASCADE,
    -- The requested permissions. At use, those that the client no longer has are ignored.
    permissions text[]      NOT NULL,
    created_at  timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL
);

CREATE INDEX client_access_tokens_client_id_idx ON client_access_tokens (client_id);
CREATE INDEX client_access_tokens_expires_at_idx ON client_access_tokens (expires_at);

CREATE TRIGGER client_access_tokens_notify_on_update
    AFTER UPDATE ON client_access_tokens FOR EACH ROW EXECUTE FUNCTION notify_principal_invalidated('client_id');
-- Expired tokens are not cached.
CREATE TRIGGER client_access_tokens_notify_on_delete
    AFTER DELETE ON client_access_tokens FOR EACH ROW
    WHEN (OLD.expires_at > now())
    EXECUTE FUNCTION notify_principal_invalidated('client_id');

CREATE TRIGGER client_access_tokens_record_revocation_on_delete
    AFTER DELETE ON client_access_tokens FOR EACH ROW
    WHEN (OLD.expires_at > now())
    EXECUTE FUNCTION record_revocation('sid', 'id', '');
