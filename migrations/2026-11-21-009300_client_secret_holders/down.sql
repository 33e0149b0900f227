ALTER TABLE service_clients DROP COLUMN secret_known_to;
