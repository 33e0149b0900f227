-- Who is signed in, the refresh tokens of each session, and the keys that sign access tokens.

CREATE TABLE sessions (
    id           uuid        NOT NULL CONSTRAINT sessions_pkey PRIMARY KEY,
    user_id      uuid        NOT NULL CONSTRAINT sessions_user_id_fkey REFERENCES users (id) ON DELETE CASCADE,
    created_at   timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    -- Idle for longer than this many seconds, it has expired.
    idle_seconds bigint      NOT NULL,
    -- However busy, it has expired by then.
    expires_at   timestamptz NOT NULL,
    remember_me  boolean     NOT NULL DEFAULT false,
    ip           text        NOT NULL,
    user_agent   text,
    -- Which generation of refresh token is the newest, and since when.
    generation   integer     NOT NULL DEFAULT 0,
    rotated_at   timestamptz NOT NULL,
    ended_at     timestamptz,
    ended_reason text
);

CREATE INDEX sessions_user_id_idx ON sessions (user_id) WHERE ended_at IS NULL;
CREATE INDEX sessions_expires_at_idx ON sessions (expires_at);

-- Every refresh token that a session ever had, by its SHA-256 digest: an old one that comes back ends the session.
CREATE TABLE refresh_tokens (
    digest     bytea   NOT NULL CONSTRAINT refresh_tokens_pkey PRIMARY KEY,
    session_id uuid    NOT NULL CONSTRAINT refresh_tokens_session_id_fkey REFERENCES sessions (id) ON DELETE CASCADE,
    generation integer NOT NULL
);

CREATE INDEX refresh_tokens_session_id_idx ON refresh_tokens (session_id);

CREATE TABLE signing_keys (
    -- The RFC 7638 thumbprint of the public key.
    kid            text        NOT NULL CONSTRAINT signing_keys_pkey PRIMARY KEY,
    public_jwk     jsonb       NOT NULL,
    -- PKCS #8, encrypted under ROSTERD_SECRET_KEY.
    sealed_private bytea       NOT NULL,
    created_at     timestamptz NOT NULL,
    -- Published from created_at on, signs from active_at on.
    active_at      timestamptz NOT NULL,
    -- Tokens signed by it are refused from then on, and it is no longer published.
    expires_at     timestamptz
);
