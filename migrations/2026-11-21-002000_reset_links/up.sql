-- Links with which the owner of an account sets its password: at most one for each account, so a new one ends the old.

CREATE TABLE reset_links (
    user_id    uuid        NOT NULL CONSTRAINT reset_links_pkey PRIMARY KEY
                           CONSTRAINT reset_links_user_id_fkey REFERENCES users (id) ON DELETE CASCADE,
    -- The SHA-256 digest of the token; the token itself is nowhere.
    digest     bytea       NOT NULL CONSTRAINT reset_links_digest_key UNIQUE,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);

CREATE INDEX reset_links_expires_at_idx ON reset_links (expires_at);
