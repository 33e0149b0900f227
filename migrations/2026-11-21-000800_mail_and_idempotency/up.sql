-- Mail that has not been sent yet, and the responses that are replayed for repeated requests.

-- Written in the transaction that causes the message; deleted when the message has been sent or given up.
CREATE TABLE mail_outbox (
    id                uuid        NOT NULL CONSTRAINT mail_outbox_pkey PRIMARY KEY,
    -- The user that the message is about. NULL: the recipient's address has not been looked up yet.
    user_id           uuid        CONSTRAINT mail_outbox_user_id_fkey REFERENCES users (id) ON DELETE CASCADE,
    -- The template and the recipient, encrypted with a key derived from ROSTERD_SECRET_KEY.
    encrypted_message bytea       NOT NULL,
    attempts          integer     NOT NULL DEFAULT 0 CONSTRAINT mail_outbox_attempts_check CHECK (attempts >= 0),
    -- A worker that takes the message moves this into the future, as a lease: no other worker takes it in the meantime.
    next_attempt_at   timestamptz NOT NULL,
    created_at        timestamptz NOT NULL
);

CREATE INDEX mail_outbox_next_attempt_at_idx ON mail_outbox (next_attempt_at);
CREATE INDEX mail_outbox_user_id_idx ON mail_outbox (user_id);

-- Responses to requests with an Idempotency-Key header, kept for as long as a client may retry.
CREATE TABLE idempotency_keys (
    -- Keys are scoped to the caller and to the operation (the operationId of the OpenAPI document).
    caller             text        NOT NULL,
    operation_id       text        NOT NULL,
    key                text        NOT NULL,
    -- Keyed hash of the request body. A request with the same key and a different body is rejected.
    request_mac        bytea       NOT NULL,
    -- Encrypted with a key derived from ROSTERD_SECRET_KEY. NULL only within the transaction of the first request.
    encrypted_response bytea,
    -- The resource that the request created. The response is deleted when the resource is purged.
    resource_id        uuid,
    created_at         timestamptz NOT NULL,
    CONSTRAINT idempotency_keys_pkey PRIMARY KEY (caller, operation_id, key)
);

CREATE INDEX idempotency_keys_resource_id_idx ON idempotency_keys (resource_id);
CREATE INDEX idempotency_keys_created_at_idx ON idempotency_keys (created_at);
