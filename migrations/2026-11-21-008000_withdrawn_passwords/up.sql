-- 'withdrawn': the password was set by someone who might not set it any more when the account got more authority. Its owner signs
-- in again with a reset link.
ALTER TABLE users
    DROP CONSTRAINT users_password_set_by_kind_check,
    DROP CONSTRAINT users_password_set_by_check,
    ADD CONSTRAINT users_password_set_by_kind_check
        CHECK (password_set_by_kind IN ('owner', 'operator', 'user', 'token', 'client', 'withdrawn')) NOT VALID,
    ADD CONSTRAINT users_password_set_by_check
        CHECK ((password_set_by IS NULL) = (password_set_by_kind IN ('owner', 'operator', 'withdrawn'))) NOT VALID;
ALTER TABLE users VALIDATE CONSTRAINT users_password_set_by_kind_check;
ALTER TABLE users VALIDATE CONSTRAINT users_password_set_by_check;
