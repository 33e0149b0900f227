DROP TRIGGER signing_keys_record_revocation_on_truncate ON signing_keys;
DROP TRIGGER signing_keys_record_revocation_on_delete ON signing_keys;
DROP INDEX revocations_without_committed_by_idx;
DELETE FROM revocations WHERE kid IS NOT NULL;
ALTER TABLE revocations
    DROP CONSTRAINT revocations_one_claim_check,
    ADD CONSTRAINT revocations_one_claim_check CHECK (num_nonnulls(sid, sub, role) = 1),
    DROP COLUMN committed_by,
    DROP COLUMN kid;
