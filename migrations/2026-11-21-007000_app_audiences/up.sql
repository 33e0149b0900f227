-- The application for which the access tokens of a session are valid; NULL for the service itself.
ALTER TABLE sessions
    ADD COLUMN resource text
        CONSTRAINT sessions_resource_length CHECK (length(resource) BETWEEN 1 AND 255);
-- The audiences of applications that a replica accepts; NULL if it does not know such audiences.
ALTER TABLE replicas ADD COLUMN app_audiences text[];
