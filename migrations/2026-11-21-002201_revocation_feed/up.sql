-- Revoked signing keys in the revocation feed, and the time at which an entry was certainly committed.

ALTER TABLE revocations
    -- The header member "kid" of the affected access tokens.
    ADD COLUMN kid text,
    -- A time after the commit, set by a background job. The time "at" is before the commit: a token that was issued between
    -- the two still contains the old permissions.
    ADD COLUMN committed_by timestamptz,
    DROP CONSTRAINT revocations_one_claim_check,
    ADD CONSTRAINT revocations_one_claim_check CHECK (num_nonnulls(sid, sub, role, kid) = 1);

CREATE INDEX revocations_without_committed_by_idx ON revocations (xid, id) WHERE committed_by IS NULL;

-- Keys that have expired are deleted too, but their tokens have expired before.
CREATE TRIGGER signing_keys_record_revocation_on_delete
    AFTER DELETE ON signing_keys FOR EACH ROW
    WHEN (OLD.expires_at IS NULL OR OLD.expires_at > now())
    EXECUTE FUNCTION record_revocation('kid', 'kid', '');
CREATE TRIGGER signing_keys_record_revocation_on_truncate
    BEFORE TRUNCATE ON signing_keys FOR EACH STATEMENT
    EXECUTE FUNCTION record_revocation_of_all('kid', 'kid', 'expires_at IS NULL OR expires_at > now()');
