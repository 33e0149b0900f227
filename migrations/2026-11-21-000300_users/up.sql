-- Users, and the single-use tokens by which a user is created or proves access to a mailbox.

-- For substring search. The extension is shared by all schemas of the database, so down.sql does not drop it.
CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA public;

CREATE TABLE users (
    id                   uuid        NOT NULL CONSTRAINT users_pkey PRIMARY KEY,
    -- Always lower case; the service normalizes it before writing.
    username             text        NOT NULL CONSTRAINT users_username_key UNIQUE,
    display_name         text,
    email                text,
    email_confirmed      boolean     NOT NULL DEFAULT false,
    role                 text        NOT NULL CONSTRAINT users_role_fkey REFERENCES roles (name) ON UPDATE CASCADE,
    -- Permissions granted directly, sorted. The permissions of the role are added to them.
    permissions          text[]      NOT NULL DEFAULT '{}',
    is_active            boolean     NOT NULL DEFAULT true,
    tags                 text[]      NOT NULL DEFAULT '{}',
    attributes           jsonb       NOT NULL DEFAULT '{}',
    must_change_password boolean     NOT NULL DEFAULT false,
    -- A PHC string. NULL: the user cannot sign in with a password.
    password_hash        text,
    -- Incremented on every password change. A password is verified outside the transaction; a different version shows
    -- that the verified hash is outdated.
    password_version     bigint      NOT NULL DEFAULT 0,
    auth_provider        text        NOT NULL DEFAULT 'local',
    auth_id              text,
    mfa_enabled          boolean     NOT NULL DEFAULT false,
    created_at           timestamptz NOT NULL,
    -- The last change of the user; signing in is not a change.
    updated_at           timestamptz NOT NULL,
    last_login_at        timestamptz,
    expires_at           timestamptz,
    -- A deleted user keeps its row, and with it the username, until the user is purged.
    deleted_at           timestamptz,
    -- Incremented on every change; the ETag for conditional requests (If-Match).
    version              bigint      NOT NULL DEFAULT 1
);

CREATE UNIQUE INDEX users_email_key ON users (lower(email));

-- Sort orders of the user list; the id makes each of them unique.
CREATE INDEX users_created_at_idx ON users (created_at, id);
CREATE INDEX users_last_login_at_idx ON users (coalesce(last_login_at, '-infinity'), id);
-- Filters of the user list.
CREATE INDEX users_role_idx ON users (role);
CREATE INDEX users_tags_idx ON users USING gin (tags);
CREATE INDEX users_permissions_idx ON users USING gin (permissions);
CREATE INDEX users_attributes_idx ON users USING gin (attributes jsonb_path_ops);
CREATE INDEX users_search_idx ON users USING gin
    (username public.gin_trgm_ops, display_name public.gin_trgm_ops, email public.gin_trgm_ops);

-- A sign-in does not notify: NOTIFY takes a lock that is shared by all notifying transactions until they commit.
-- A test (schema.rs) lists the columns that are left out, and why.
CREATE TRIGGER users_notify_on_update
    AFTER UPDATE OF username, display_name, email, email_confirmed, role, permissions, is_active, tags, attributes,
        must_change_password, password_version, auth_provider, auth_id, mfa_enabled, expires_at, deleted_at
    ON users FOR EACH ROW EXECUTE FUNCTION notify_principal_invalidated('id');
CREATE TRIGGER users_notify_on_delete
    AFTER DELETE ON users FOR EACH ROW EXECUTE FUNCTION notify_principal_invalidated('id');

CREATE TRIGGER users_record_revocation_on_update
    AFTER UPDATE OF role, permissions, is_active, expires_at, deleted_at ON users FOR EACH ROW
    WHEN ((OLD.role, OLD.permissions, OLD.is_active, OLD.expires_at, OLD.deleted_at)
          IS DISTINCT FROM (NEW.role, NEW.permissions, NEW.is_active, NEW.expires_at, NEW.deleted_at))
    EXECUTE FUNCTION record_revocation('sub', 'id', '');

-- An invite lets the holder of its token register, and assigns the role and the permissions below.
CREATE TABLE invites (
    id          uuid        NOT NULL CONSTRAINT invites_pkey PRIMARY KEY,
    -- SHA-256 of the token. The token itself is not stored.
    digest      bytea       NOT NULL CONSTRAINT invites_digest_key UNIQUE,
    -- NULL: created on the command line. An invite is deleted with its creator, and never grants anything that the
    -- creator could not grant at the time of use.
    created_by  uuid        CONSTRAINT invites_created_by_fkey REFERENCES users (id) ON DELETE CASCADE,
    role        text        NOT NULL
                CONSTRAINT invites_role_fkey REFERENCES roles (name) ON UPDATE CASCADE ON DELETE CASCADE,
    permissions text[]      NOT NULL DEFAULT '{}',
    -- If set, only a registration with this address can use the invite.
    email       text,
    max_uses    integer     NOT NULL CONSTRAINT invites_max_uses_check CHECK (max_uses > 0),
    uses        integer     NOT NULL DEFAULT 0 CONSTRAINT invites_uses_check CHECK (uses BETWEEN 0 AND max_uses),
    created_at  timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL,
    revoked_at  timestamptz,
    -- Incremented on every change, but not on use; the ETag for conditional requests (If-Match).
    version     bigint      NOT NULL DEFAULT 1
);

CREATE INDEX invites_created_by_idx ON invites (created_by);
CREATE INDEX invites_role_idx ON invites (role);
CREATE INDEX invites_email_idx ON invites (lower(email));
CREATE INDEX invites_expires_at_idx ON invites (expires_at);

-- Tokens for setting a new password without the old one. At most one per user: a new token replaces the old one.
CREATE TABLE password_reset_tokens (
    user_id    uuid        NOT NULL CONSTRAINT password_reset_tokens_pkey PRIMARY KEY
                           CONSTRAINT password_reset_tokens_user_id_fkey REFERENCES users (id) ON DELETE CASCADE,
    -- SHA-256 of the token. The token itself is not stored.
    digest     bytea       NOT NULL CONSTRAINT password_reset_tokens_digest_key UNIQUE,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);

CREATE INDEX password_reset_tokens_expires_at_idx ON password_reset_tokens (expires_at);

-- Tokens that prove that a user receives mail at an address. At most one per user: a new token replaces the old one.
CREATE TABLE email_confirmation_tokens (
    user_id    uuid        NOT NULL CONSTRAINT email_confirmation_tokens_pkey PRIMARY KEY
                           CONSTRAINT email_confirmation_tokens_user_id_fkey REFERENCES users (id) ON DELETE CASCADE,
    -- SHA-256 of the token. The token itself is not stored.
    digest     bytea       NOT NULL CONSTRAINT email_confirmation_tokens_digest_key UNIQUE,
    -- The address that the token was sent to. It confirms this address only.
    email      text        NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);

CREATE INDEX email_confirmation_tokens_expires_at_idx ON email_confirmation_tokens (expires_at);
