-- Personal access tokens: what a program acts with for an account. One that is revoked is gone.

CREATE TABLE personal_tokens (
    id           uuid        NOT NULL CONSTRAINT personal_tokens_pkey PRIMARY KEY,
    user_id      uuid        NOT NULL CONSTRAINT personal_tokens_user_id_fkey REFERENCES users (id) ON DELETE CASCADE,
    name         text        NOT NULL,
    -- The SHA-256 digest of the token; the token itself is nowhere.
    digest       bytea       NOT NULL CONSTRAINT personal_tokens_digest_key UNIQUE,
    -- As asked for; what of it the account does not hold is not given at use.
    permissions  text[]      NOT NULL,
    created_at   timestamptz NOT NULL,
    expires_at   timestamptz,
    -- To the minute.
    last_used_at timestamptz
);

CREATE INDEX personal_tokens_user_id_idx ON personal_tokens (user_id, id);
CREATE INDEX personal_tokens_expires_at_idx ON personal_tokens (expires_at);

-- Its last use is no news.
CREATE TRIGGER personal_tokens_changed_news
    AFTER UPDATE OF user_id, name, digest, permissions, expires_at
    ON personal_tokens FOR EACH ROW EXECUTE FUNCTION tell_of_party('user_id');
CREATE TRIGGER personal_tokens_deleted_news
    AFTER DELETE ON personal_tokens FOR EACH ROW EXECUTE FUNCTION tell_of_party('user_id');
