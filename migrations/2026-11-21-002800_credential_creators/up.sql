-- Who created what lets somebody in. It is checked when it is used: whoever lost the authority over an account, or never had
-- it over the account as it is now, must not be able to sign in as that account.

-- 'owner': requested by the owner of the account by mail. The id is NULL for 'owner' and 'operator'.
ALTER TABLE password_reset_tokens
    ADD COLUMN created_by_kind text NOT NULL DEFAULT 'operator'
        CONSTRAINT password_reset_tokens_created_by_kind_check
        CHECK (created_by_kind IN ('owner', 'operator', 'user', 'token', 'client')),
    ADD COLUMN created_by uuid,
    ADD CONSTRAINT password_reset_tokens_created_by_check
        CHECK ((created_by IS NULL) = (created_by_kind IN ('owner', 'operator')));

-- The creators of existing links are not known.
DELETE FROM password_reset_tokens;

-- Who last set the password. 'owner': the owner of the account, or it was set before this was recorded.
ALTER TABLE users
    ADD COLUMN password_set_by_kind text NOT NULL DEFAULT 'owner'
        CONSTRAINT users_password_set_by_kind_check
        CHECK (password_set_by_kind IN ('owner', 'operator', 'user', 'token', 'client')),
    ADD COLUMN password_set_by uuid,
    ADD CONSTRAINT users_password_set_by_check
        CHECK ((password_set_by IS NULL) = (password_set_by_kind IN ('owner', 'operator')));

-- Whether the owner of the account created the token itself.
ALTER TABLE personal_access_tokens ADD COLUMN created_by_owner boolean NOT NULL DEFAULT true;
