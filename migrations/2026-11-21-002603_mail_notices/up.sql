-- Notices to owners about changes of their account, until the mail worker turns them into messages.
CREATE TABLE mail_notices (
    id         uuid        NOT NULL CONSTRAINT mail_notices_pkey PRIMARY KEY,
    user_id    uuid        NOT NULL CONSTRAINT mail_notices_user_id_fkey REFERENCES users (id) ON DELETE CASCADE,
    kind       text        NOT NULL CONSTRAINT mail_notices_kind_check CHECK (kind IN (
        'new_device', 'password_changed', 'token_created', 'second_factor_removed', 'email_changed',
        'email_change_requested')),
    -- The recipient, if it is not the address of the user.
    email      text,
    created_at timestamptz NOT NULL
);

CREATE INDEX mail_notices_user_id_idx ON mail_notices (user_id);
