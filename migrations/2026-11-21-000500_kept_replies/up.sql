-- The answers to creating requests that carried an Idempotency-Key, for as long as a retry may ask for them.

CREATE TABLE kept_replies (
    caller       text        NOT NULL,
    route        text        NOT NULL,
    key          text        NOT NULL,
    -- The keyed hash of the body: another body under the same key is refused.
    request_mac  bytea       NOT NULL,
    -- Encrypted under ROSTERD_SECRET_KEY; NULL only inside the transaction that is making it.
    sealed_reply bytea,
    -- What the request made; when that is purged, so is this.
    made         uuid,
    created_at   timestamptz NOT NULL,
    CONSTRAINT kept_replies_pkey PRIMARY KEY (caller, route, key)
);

CREATE INDEX kept_replies_made_idx ON kept_replies (made);
CREATE INDEX kept_replies_created_at_idx ON kept_replies (created_at);
