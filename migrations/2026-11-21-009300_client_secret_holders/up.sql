-- The user or client that the secret was last shown to; NULL for the operator. The client gets more permissions only if that
-- caller may hold them, or after the secret was replaced.
ALTER TABLE service_clients ADD COLUMN secret_known_to uuid;
UPDATE service_clients SET secret_known_to = created_by;
