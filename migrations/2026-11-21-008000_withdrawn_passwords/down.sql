-- No account has this id, so the password counts as that of a removed account.
UPDATE users SET password_set_by_kind = 'user', password_set_by = '00000000-0000-0000-0000-000000000000'
WHERE password_set_by_kind = 'withdrawn';
ALTER TABLE users
    DROP CONSTRAINT users_password_set_by_kind_check,
    DROP CONSTRAINT users_password_set_by_check,
    ADD CONSTRAINT users_password_set_by_kind_check
        CHECK (password_set_by_kind IN ('owner', 'operator', 'user', 'token', 'client')),
    ADD CONSTRAINT users_password_set_by_check
        CHECK ((password_set_by IS NULL) = (password_set_by_kind IN ('owner', 'operator')));
