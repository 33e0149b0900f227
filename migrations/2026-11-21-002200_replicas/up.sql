-- The running replicas. Each updates its row once a second on a connection of its own. The trigger calls the function that
-- also announces changed accounts, so that the replica notices when notifications do not reach it.
CREATE TABLE replicas (
    -- Chosen at random when the process starts.
    id            uuid        NOT NULL CONSTRAINT replicas_pkey PRIMARY KEY,
    -- A random value. The trigger announces the value that an update replaces.
    heartbeat     uuid        NOT NULL,
    started_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_seen_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- The settings that all replicas must share. NULL: the process serves no requests.
    issuer        text,
    audience      text,
    -- A keyed hash that identifies ROSTERD_SECRET_KEY without disclosing it.
    secret_key_id bytea
) WITH (fillfactor = 50); -- Leaves room for HOT updates.

CREATE TRIGGER replicas_notify_on_update
    AFTER UPDATE ON replicas FOR EACH ROW EXECUTE FUNCTION notify_principal_invalidated('heartbeat');

-- TRUNCATE fires no row triggers.
CREATE TRIGGER permissions_notify_on_truncate
    AFTER TRUNCATE ON permissions FOR EACH STATEMENT EXECUTE FUNCTION notify_all_principals_invalidated();
CREATE TRIGGER roles_notify_on_truncate
    AFTER TRUNCATE ON roles FOR EACH STATEMENT EXECUTE FUNCTION notify_all_principals_invalidated();
CREATE TRIGGER users_notify_on_truncate
    AFTER TRUNCATE ON users FOR EACH STATEMENT EXECUTE FUNCTION notify_all_principals_invalidated();
CREATE TRIGGER sessions_notify_on_truncate
    AFTER TRUNCATE ON sessions FOR EACH STATEMENT EXECUTE FUNCTION notify_all_principals_invalidated();
CREATE TRIGGER personal_access_tokens_notify_on_truncate
    AFTER TRUNCATE ON personal_access_tokens FOR EACH STATEMENT EXECUTE FUNCTION notify_all_principals_invalidated();
CREATE TRIGGER service_clients_notify_on_truncate
    AFTER TRUNCATE ON service_clients FOR EACH STATEMENT EXECUTE FUNCTION notify_all_principals_invalidated();
CREATE TRIGGER client_access_tokens_notify_on_truncate
    AFTER TRUNCATE ON client_access_tokens FOR EACH STATEMENT EXECUTE FUNCTION notify_all_principals_invalidated();
CREATE TRIGGER signing_keys_notify_on_truncate
    AFTER TRUNCATE ON signing_keys FOR EACH STATEMENT EXECUTE FUNCTION notify_signing_keys_invalidated();

-- Writes the entry of the revocation feed for each row that is about to be removed by TRUNCATE.
-- Arguments: the claim, the column that contains its value, and the condition that a row has not ended.
CREATE FUNCTION record_revocation_of_all() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('INSERT INTO %1$I.revocations (%2$I) SELECT %3$I FROM %1$I.%4$I WHERE %5$s',
                   TG_TABLE_SCHEMA, TG_ARGV[0], TG_ARGV[1], TG_TABLE_NAME, TG_ARGV[2]);
    RETURN NULL;
END $$;

CREATE TRIGGER sessions_record_revocation_on_truncate
    BEFORE TRUNCATE ON sessions FOR EACH STATEMENT
    EXECUTE FUNCTION record_revocation_of_all('sid', 'id', 'ended_at IS NULL AND expires_at > now()');
CREATE TRIGGER client_access_tokens_record_revocation_on_truncate
    BEFORE TRUNCATE ON client_access_tokens FOR EACH STATEMENT
    EXECUTE FUNCTION record_revocation_of_all('sid', 'id', 'expires_at > now()');
