-- When an access token was first used that was issued with the current refresh token. The previous refresh token is accepted
-- until some time after that, so that a lost answer does not end the session. A value before rotated_at is out of date.
ALTER TABLE sessions ADD COLUMN successor_used_at timestamptz;
UPDATE sessions SET successor_used_at = rotated_at WHERE generation > 0;
