-- What has ended or changed before its access tokens did, for those who verify tokens without asking. Triggers write it, so
-- whoever makes the change, by HTTP, at the command line or in psql, it is told.

CREATE TABLE revocations (
    -- The transaction (a 64-bit transaction id): below the horizon of a snapshot, all of them are there or never will be.
    xid  bigint      NOT NULL DEFAULT pg_current_xact_id()::text::bigint,
    id   bigint      NOT NULL GENERATED ALWAYS AS IDENTITY,
    at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- One of these: the claim of the access tokens that it is about.
    sid  uuid,
    sub  text,
    role text,
    CONSTRAINT revocations_pkey PRIMARY KEY (xid, id),
    CONSTRAINT revocations_one_claim CHECK (num_nonnulls(sid, sub, role) = 1)
);

CREATE INDEX revocations_at_idx ON revocations (at);

-- The arguments: the claim, the column that has its value, and what goes before that.
CREATE FUNCTION note_revocation() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('INSERT INTO %I.revocations (%I) VALUES ($1%s)', TG_TABLE_SCHEMA, TG_ARGV[0],
                   CASE TG_ARGV[0] WHEN 'sid' THEN '::uuid' ELSE '' END)
      USING TG_ARGV[2] || (to_jsonb(OLD) ->> TG_ARGV[1]);
    RETURN NULL;
END $$;

CREATE TRIGGER sessions_ended_revocation
    AFTER UPDATE OF ended_at ON sessions FOR EACH ROW
    WHEN (OLD.ended_at IS NULL AND NEW.ended_at IS NOT NULL) EXECUTE FUNCTION note_revocation('sid', 'id', '');
CREATE TRIGGER sessions_deleted_revocation
    AFTER DELETE ON sessions FOR EACH ROW
    WHEN (OLD.ended_at IS NULL AND OLD.expires_at > now()) EXECUTE FUNCTION note_revocation('sid', 'id', '');
CREATE TRIGGER client_grants_deleted_revocation
    AFTER DELETE ON client_grants FOR EACH ROW
    WHEN (OLD.expires_at > now()) EXECUTE FUNCTION note_revocation('sid', 'id', '');

CREATE TRIGGER users_changed_revocation
    AFTER UPDATE OF role, permissions, is_active, expires_at, deleted_at ON users FOR EACH ROW
    WHEN ((OLD.role, OLD.permissions, OLD.is_active, OLD.expires_at, OLD.deleted_at)
          IS DISTINCT FROM (NEW.role, NEW.permissions, NEW.is_active, NEW.expires_at, NEW.deleted_at))
    EXECUTE FUNCTION note_revocation('sub', 'id', '');
CREATE TRIGGER service_clients_changed_revocation
    AFTER UPDATE OF permissions ON service_clients FOR EACH ROW
    WHEN (OLD.permissions IS DISTINCT FROM NEW.permissions) EXECUTE FUNCTION note_revocation('sub', 'id', 'client:');
CREATE TRIGGER roles_changed_revocation
    AFTER UPDATE OF name, permissions ON roles FOR EACH ROW
    WHEN ((OLD.name, OLD.permissions) IS DISTINCT FROM (NEW.name, NEW.permissions))
    EXECUTE FUNCTION note_revocation('role', 'name', '');
