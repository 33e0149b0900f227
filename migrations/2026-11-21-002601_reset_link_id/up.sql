-- The token of a reset link is derived from this id, so that the same link can be sent again although only the digest of its
-- token is stored. The digests of older links do not match their id; such a link is replaced instead of being sent again.
ALTER TABLE password_reset_tokens ADD COLUMN id uuid NOT NULL DEFAULT gen_random_uuid();
