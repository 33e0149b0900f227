DROP TABLE client_access_tokens;
DROP TABLE service_clients;
