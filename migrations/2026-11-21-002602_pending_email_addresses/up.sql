-- Email addresses that users want to have and have not confirmed yet. At most one per user. The address is written to the
-- user when it is confirmed; until then, several users can wait for the same address, and users.email keeps its value.
CREATE TABLE pending_email_addresses (
    user_id         uuid        NOT NULL CONSTRAINT pending_email_addresses_pkey PRIMARY KEY
                                CONSTRAINT pending_email_addresses_user_id_fkey REFERENCES users (id) ON DELETE CASCADE,
    email           text        NOT NULL,
    -- The user registered with the address, cannot sign in before it is confirmed, and is purged when this row expires.
    is_registration boolean     NOT NULL,
    created_at      timestamptz NOT NULL,
    expires_at      timestamptz NOT NULL
);

CREATE INDEX pending_email_addresses_expires_at_idx ON pending_email_addresses (expires_at);
