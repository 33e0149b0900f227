-- The personal access token with which an invite was created; NULL if there was none. The invite ends with the token.
ALTER TABLE invites ADD COLUMN created_with_token uuid;
