-- A username in the form of a UUID could be mistaken for the id of another user. Users with such a name get the prefix "name-".
UPDATE users SET username = 'name-' || username, version = version + 1, updated_at = now()
 WHERE username ~ '^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$';

ALTER TABLE users ADD CONSTRAINT users_username_not_uuid_check
    CHECK (username !~ '^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$');
