DROP INDEX service_clients_created_by_idx;
ALTER TABLE service_clients DROP COLUMN created_by;
