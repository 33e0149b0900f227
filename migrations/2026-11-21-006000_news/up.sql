-- Tells every listening process what it must not remember any longer, in the transaction that changes it.
-- A sign-in and a session's last use are no news: NOTIFY takes a lock that all notifying commits share.

-- The channel carries the schema's name, so that services on one database do not disturb each other.
CREATE FUNCTION tell_of_party() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- The argument names the column that has the party's id.
    PERFORM pg_notify('rosterd_' || TG_TABLE_SCHEMA, 'party:' || (to_jsonb(OLD) ->> TG_ARGV[0]));
    RETURN NULL;
END $$;

CREATE FUNCTION tell_of_everyone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('rosterd_' || TG_TABLE_SCHEMA, 'everyone');
    RETURN NULL;
END $$;

CREATE FUNCTION tell_of_keys() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('rosterd_' || TG_TABLE_SCHEMA, 'keys');
    RETURN NULL;
END $$;

CREATE TRIGGER users_changed_news
    AFTER UPDATE OF username, display_name, email, email_confirmed, role, permissions, is_active, tags, attributes,
        must_change_password, password_version, auth_provider, auth_id, mfa_enabled, expires_at, deleted_at
    ON users FOR EACH ROW EXECUTE FUNCTION tell_of_party('id');
CREATE TRIGGER users_deleted_news
    AFTER DELETE ON users FOR EACH ROW EXECUTE FUNCTION tell_of_party('id');

CREATE TRIGGER sessions_ended_news
    AFTER UPDATE OF ended_at, expires_at, idle_seconds, user_id
    ON sessions FOR EACH ROW EXECUTE FUNCTION tell_of_party('user_id');
-- Those that had ended were told of when they did.
CREATE TRIGGER sessions_deleted_news
    AFTER DELETE ON sessions FOR EACH ROW
    WHEN (OLD.ended_at IS NULL AND OLD.expires_at > now()) EXECUTE FUNCTION tell_of_party('user_id');

CREATE TRIGGER roles_news
    AFTER UPDATE OR DELETE ON roles FOR EACH STATEMENT EXECUTE FUNCTION tell_of_everyone();
-- What a SuperAdmin holds is the whole catalogue.
CREATE TRIGGER permissions_news
    AFTER INSERT OR UPDATE OR DELETE ON permissions FOR EACH STATEMENT EXECUTE FUNCTION tell_of_everyone();

CREATE TRIGGER signing_keys_news
    AFTER INSERT OR UPDATE OR DELETE ON signing_keys FOR EACH STATEMENT EXECUTE FUNCTION tell_of_keys();
