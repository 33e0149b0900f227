-- Links with which somebody shows that mail to an account's address reaches them: at most one for each account.

CREATE TABLE email_confirmations (
    user_id    uuid        NOT NULL CONSTRAINT email_confirmations_pkey PRIMARY KEY
                           CONSTRAINT email_confirmations_user_id_fkey REFERENCES users (id) ON DELETE CASCADE,
    -- The SHA-256 digest of the token; the token itself is nowhere.
    digest     bytea       NOT NULL CONSTRAINT email_confirmations_digest_key UNIQUE,
    -- Where it was sent: it confirms this address and no other.
    email      text        NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);

CREATE INDEX email_confirmations_expires_at_idx ON email_confirmations (expires_at);
