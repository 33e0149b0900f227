ALTER TABLE invites DROP COLUMN created_with_token;
