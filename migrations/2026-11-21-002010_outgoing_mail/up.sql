-- Letters that are to be sent: written in the transaction that they tell of, taken away when they are sent or given up.

CREATE TABLE outgoing_mail (
    id         uuid        NOT NULL CONSTRAINT outgoing_mail_pkey PRIMARY KEY,
    -- Whose account it is about; NULL while nobody has looked whose address it is.
    user_id    uuid        CONSTRAINT outgoing_mail_user_id_fkey REFERENCES users (id) ON DELETE CASCADE,
    -- What to tell and where, encrypted under ROSTERD_SECRET_KEY.
    sealed     bytea       NOT NULL,
    attempts   integer     NOT NULL DEFAULT 0,
    -- When it may be tried; whoever tries moves it on, so that nobody else tries at the same time.
    due_at     timestamptz NOT NULL,
    created_at timestamptz NOT NULL
);

CREATE INDEX outgoing_mail_due_at_idx ON outgoing_mail (due_at);
CREATE INDEX outgoing_mail_user_id_idx ON outgoing_mail (user_id);
