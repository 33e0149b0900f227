-- Who last set or confirmed the email address as an administrator: a confirmed address receives reset links. 'owner': the owner
-- of the account, or it was set before this was recorded.
ALTER TABLE users
    ADD COLUMN email_set_by_kind text NOT NULL DEFAULT 'owner'
        CONSTRAINT users_email_set_by_kind_check
        CHECK (email_set_by_kind IN ('owner', 'operator', 'user', 'token', 'client')),
    ADD COLUMN email_set_by uuid,
    ADD CONSTRAINT users_email_set_by_check
        CHECK ((email_set_by IS NULL) = (email_set_by_kind IN ('owner', 'operator')));
