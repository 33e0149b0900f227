-- Secrets that are mixed into password hashes. The newest is used for new hashes; all are needed to verify older ones.
CREATE TABLE password_peppers (
    -- The keyid of the hashes that were computed with it.
    id               bytea       NOT NULL CONSTRAINT password_peppers_pkey PRIMARY KEY
                                 CONSTRAINT password_peppers_id_check CHECK (octet_length(id) = 8),
    -- Encrypted with a key derived from ROSTERD_SECRET_KEY. The pepper itself is random.
    encrypted_secret bytea       NOT NULL,
    created_at       timestamptz NOT NULL
);
