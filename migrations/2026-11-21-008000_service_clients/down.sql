DROP TABLE client_grants;
DROP TABLE service_clients;
