ALTER TABLE personal_access_tokens DROP COLUMN created_by_owner;
ALTER TABLE users DROP COLUMN password_set_by, DROP COLUMN password_set_by_kind;
ALTER TABLE password_reset_tokens DROP COLUMN created_by, DROP COLUMN created_by_kind;
