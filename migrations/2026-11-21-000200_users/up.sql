-- Accounts. A deleted one keeps its row, and so its name, until it is purged.

CREATE TABLE users (
    id                   uuid        NOT NULL CONSTRAINT users_pkey PRIMARY KEY,
    -- Lower case; the service normalises before it writes.
    username             text        NOT NULL CONSTRAINT users_username_key UNIQUE,
    display_name         text,
    email                text,
    email_confirmed      boolean     NOT NULL DEFAULT false,
    role                 text        NOT NULL CONSTRAINT users_role_fkey REFERENCES roles (name) ON UPDATE CASCADE,
    -- The direct grants, sorted; the role adds its own.
    permissions          text[]      NOT NULL DEFAULT '{}',
    is_active            boolean     NOT NULL DEFAULT true,
    tags                 text[]      NOT NULL DEFAULT '{}',
    attributes           jsonb       NOT NULL DEFAULT '{}',
    must_change_password boolean     NOT NULL DEFAULT false,
    -- A PHC string; NULL: this account can't sign in with a password.
    password_hash        text,
    -- Moves with each change of the password, so that a hash that was checked outside the transaction is known to be stale.
    password_version     bigint      NOT NULL DEFAULT 0,
    auth_provider        text        NOT NULL DEFAULT 'local',
    auth_id              text,
    mfa_enabled          boolean     NOT NULL DEFAULT false,
    created_at           timestamptz NOT NULL,
    -- Moves when the account is changed, not at sign-in.
    updated_at           timestamptz NOT NULL,
    last_login_at        timestamptz,
    expires_at           timestamptz,
    deleted_at           timestamptz,
    -- Counts the changes that a conditional request (If-Match) must not overlook.
    version              bigint      NOT NULL DEFAULT 1
);

CREATE UNIQUE INDEX users_email_key ON users (lower(email));

-- One index for each order in which lists are read (the id breaks ties).
CREATE INDEX users_created_at_idx ON users (created_at, id);
CREATE INDEX users_last_login_at_idx ON users (coalesce(last_login_at, '-infinity'), id);
-- Filters.
CREATE INDEX users_role_idx ON users (role);
CREATE INDEX users_tags_idx ON users USING gin (tags);
CREATE INDEX users_permissions_idx ON users USING gin (permissions);
CREATE INDEX users_attributes_idx ON users USING gin (attributes jsonb_path_ops);
CREATE INDEX users_search_idx ON users USING gin
    (username public.gin_trgm_ops, display_name public.gin_trgm_ops, email public.gin_trgm_ops);
