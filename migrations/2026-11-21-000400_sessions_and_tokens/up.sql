-- Sessions with their refresh tokens, personal access tokens, and the keys that sign access tokens.

CREATE TABLE sessions (
    id                   uuid        NOT NULL CONSTRAINT sessions_pkey PRIMARY KEY,
    user_id              uuid        NOT NULL
                                     CONSTRAINT sessions_user_id_fkey REFERENCES users (id) ON DELETE CASCADE,
    created_at           timestamptz NOT NULL,
    last_seen_at         timestamptz NOT NULL,
    -- The session expires when it has not been used for this many seconds.
    idle_timeout_seconds bigint      NOT NULL,
    -- The session expires at this time even if it is in use.
    expires_at           timestamptz NOT NULL,
    remember_me          boolean     NOT NULL DEFAULT false,
    ip                   text        NOT NULL,
    user_agent           text,
    -- The generation of the current refresh token, and when that token was issued.
    generation           integer     NOT NULL DEFAULT 0,
    rotated_at           timestamptz NOT NULL,
    ended_at             timestamptz,
    ended_reason         text        CONSTRAINT sessions_ended_reason_check CHECK (ended_reason IN (
        'signedOut', 'signedOutByOther', 'passwordChanged', 'accountDisabled', 'accountExpired', 'accountDeleted',
        'refreshTokenReused', 'tooMany'))
);

CREATE INDEX sessions_user_id_idx ON sessions (user_id) WHERE ended_at IS NULL;
CREATE INDEX sessions_expires_at_idx ON sessions (expires_at);

-- Using a session (last_seen_at) does not notify.
CREATE TRIGGER sessions_notify_on_update
    AFTER UPDATE OF ended_at, expires_at, idle_timeout_seconds, user_id
    ON sessions FOR EACH ROW EXECUTE FUNCTION notify_principal_invalidated('user_id');
-- A session that had ended was invalidated when it ended.
CREATE TRIGGER sessions_notify_on_delete
    AFTER DELETE ON sessions FOR EACH ROW
    WHEN (OLD.ended_at IS NULL AND OLD.expires_at > now())
    EXECUTE FUNCTION notify_principal_invalidated('user_id');

CREATE TRIGGER sessions_record_revocation_on_end
    AFTER UPDATE OF ended_at ON sessions FOR EACH ROW
    WHEN (OLD.ended_at IS NULL AND NEW.ended_at IS NOT NULL)
    EXECUTE FUNCTION record_revocation('sid', 'id', '');
CREATE TRIGGER sessions_record_revocation_on_delete
    AFTER DELETE ON sessions FOR EACH ROW
    WHEN (OLD.ended_at IS NULL AND OLD.expires_at > now())
    EXECUTE FUNCTION record_revocation('sid', 'id', '');

-- Every refresh token that was issued for a session. The old ones are kept to detect reuse, which ends the session
-- (RFC 9700, section 4.14.2).
CREATE TABLE refresh_tokens (
    -- SHA-256 of the token. The token itself is not stored.
    digest     bytea   NOT NULL CONSTRAINT refresh_tokens_pkey PRIMARY KEY,
    session_id uuid    NOT NULL CONSTRAINT refresh_tokens_session_id_fkey REFERENCES sessions (id) ON DELETE CASCADE,
    generation integer NOT NULL
);

CREATE INDEX refresh_tokens_session_id_idx ON refresh_tokens (session_id);

-- Long-lived tokens with which a program acts for a user. A revoked token is deleted.
CREATE TABLE personal_access_tokens (
    id           uuid        NOT NULL CONSTRAINT personal_access_tokens_pkey PRIMARY KEY,
    user_id      uuid        NOT NULL
                             CONSTRAINT personal_access_tokens_user_id_fkey REFERENCES users (id) ON DELETE CASCADE,
    name         text        NOT NULL,
    -- SHA-256 of the token. The token itself is not stored.
    digest       bytea       NOT NULL CONSTRAINT personal_access_tokens_digest_key UNIQUE,
    -- The requested permissions. At use, those that the user does not have are ignored.
    permissions  text[]      NOT NULL,
    created_at   timestamptz NOT NULL,
    expires_at   timestamptz,
    -- Accurate to the minute.
    last_used_at timestamptz
);

CREATE INDEX personal_access_tokens_user_id_idx ON personal_access_tokens (user_id, id);
CREATE INDEX personal_access_tokens_expires_at_idx ON personal_access_tokens (expires_at);

-- Using a token (last_used_at) does not notify.
CREATE TRIGGER personal_access_tokens_notify_on_update
    AFTER UPDATE OF user_id, name, digest, permissions, expires_at
    ON personal_access_tokens FOR EACH ROW EXECUTE FUNCTION notify_principal_invalidated('user_id');
CREATE TRIGGER personal_access_tokens_notify_on_delete
    AFTER DELETE ON personal_access_tokens FOR EACH ROW EXECUTE FUNCTION notify_principal_invalidated('user_id');

CREATE TABLE signing_keys (
    -- The thumbprint of the public key (RFC 7638).
    kid                   text        NOT NULL CONSTRAINT signing_keys_pkey PRIMARY KEY,
    public_jwk            jsonb       NOT NULL,
    -- PKCS #8, encrypted with a key derived from ROSTERD_SECRET_KEY.
    encrypted_private_key bytea       NOT NULL,
    -- The key is published from created_at on, and signs from active_at on.
    created_at            timestamptz NOT NULL,
    active_at             timestamptz NOT NULL,
    -- From this time on the key is no longer published, and tokens signed with it are rejected.
    expires_at            timestamptz
);

CREATE TRIGGER signing_keys_notify_on_change
    AFTER INSERT OR UPDATE OR DELETE ON signing_keys
    FOR EACH STATEMENT EXECUTE FUNCTION notify_signing_keys_invalidated();
