ALTER TABLE users DROP COLUMN email_set_by, DROP COLUMN email_set_by_kind;
