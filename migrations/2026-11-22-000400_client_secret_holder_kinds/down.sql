-- The id of a personal access token was stored in secret_known_to: its owner is what the previous release expects.
UPDATE service_clients c SET secret_known_to = t.user_id
    FROM personal_access_tokens t WHERE c.secret_known_to_kind = 'token' AND c.secret_known_to = t.id;
ALTER TABLE service_clients DROP COLUMN secret_holder_version, DROP COLUMN secret_known_to_kind;
