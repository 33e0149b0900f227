-- With which credential the secret of a client was created ('operator': at the command line), and the version of this credential at
-- that time: the password version of a user, or when the secret of a client was created, in microseconds since 1970. The client gets
-- more authority only from the same, unchanged credential. 'unknown': the secret was created before this was recorded.
ALTER TABLE service_clients
    ADD COLUMN secret_known_to_kind text NOT NULL DEFAULT 'unknown'
        CONSTRAINT service_clients_secret_known_to_kind_check
        CHECK (secret_known_to_kind IN ('operator', 'user', 'token', 'client', 'unknown')),
    ADD COLUMN secret_holder_version bigint;
UPDATE service_clients SET secret_known_to_kind = 'operator' WHERE secret_known_to IS NULL;
