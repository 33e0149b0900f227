DROP FUNCTION note_revocation CASCADE;
DROP TABLE revocations;
