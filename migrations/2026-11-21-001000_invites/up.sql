-- Invites: whoever holds a token may register, and gets what the invite gives.

CREATE TABLE invites (
    id          uuid        NOT NULL CONSTRAINT invites_pkey PRIMARY KEY,
    -- SHA-256 of the token.
    digest      bytea       NOT NULL CONSTRAINT invites_digest_key UNIQUE,
    -- NULL: the operator. An invite goes with whoever made it, and gives nothing that they could not give themselves.
    made_by     uuid        CONSTRAINT invites_made_by_fkey REFERENCES users (id) ON DELETE CASCADE,
    role        text        NOT NULL
                CONSTRAINT invites_role_fkey REFERENCES roles (name) ON UPDATE CASCADE ON DELETE CASCADE,
    permissions text[]      NOT NULL DEFAULT '{}',
    -- Only for whoever registers with this address.
    email       text,
    max_uses    integer     NOT NULL CONSTRAINT invites_max_uses_range CHECK (max_uses > 0),
    uses        integer     NOT NULL DEFAULT 0 CONSTRAINT invites_uses_range CHECK (uses BETWEEN 0 AND max_uses),
    created_at  timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL,
    revoked_at  timestamptz,
    -- Counts the changes that a conditional request (If-Match) must not overlook; a use is none.
    version     bigint      NOT NULL DEFAULT 1
);

CREATE INDEX invites_made_by_idx ON invites (made_by);
CREATE INDEX invites_role_idx ON invites (role);
CREATE INDEX invites_email_idx ON invites (lower(email));
CREATE INDEX invites_expires_at_idx ON invites (expires_at);
