ALTER TABLE users DROP CONSTRAINT users_username_not_uuid_check;
