-- The user or service client that created a client, for the limit of clients per creator. NULL: created on the command line,
-- or before this was recorded. Not a foreign key, because a client remains when its creator is deleted.
ALTER TABLE service_clients ADD COLUMN created_by uuid;
CREATE INDEX service_clients_created_by_idx ON service_clients (created_by);
