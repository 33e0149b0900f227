-- The catalogue of permissions, and the roles that bundle them.

CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA public;

CREATE TABLE permissions (
    name        text        NOT NULL CONSTRAINT permissions_pkey PRIMARY KEY,
    description text,
    -- The service's own can't be removed.
    built_in    boolean     NOT NULL DEFAULT false,
    created_at  timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE roles (
    name        text        NOT NULL CONSTRAINT roles_pkey PRIMARY KEY,
    -- Whoever manages an account must rank strictly above it.
    rank        integer     NOT NULL CONSTRAINT roles_rank_range CHECK (rank BETWEEN 0 AND 1000),
    description text,
    -- SuperAdmin's list stays empty: it holds every permission, also those that are registered later.
    permissions text[]      NOT NULL DEFAULT '{}',
    built_in    boolean     NOT NULL DEFAULT false,
    version     bigint      NOT NULL DEFAULT 1,
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now()
);

-- Names that differ in case only would be confused.
CREATE UNIQUE INDEX roles_name_lower_key ON roles (lower(name));

INSERT INTO permissions (name, description, built_in) VALUES
    ('users.read',              'See accounts', true),
    ('users.create',            'Make accounts', true),
    ('users.update',            'Change accounts', true),
    ('users.disable',           'Switch accounts off and on', true),
    ('users.delete',            'Delete, restore and purge accounts', true),
    ('users.managePermissions', 'Change what accounts are permitted', true),
    ('users.resetPassword',     'Reset passwords and second factors', true),
    ('sessions.read',           'See everybody''s sessions', true),
    ('sessions.revoke',         'End anybody''s sessions', true),
    ('roles.read',              'See roles and the permission catalogue', true),
    ('roles.manage',            'Change roles and the permission catalogue', true),
    ('invites.read',            'See invites', true),
    ('invites.manage',          'Make and revoke invites', true),
    ('clients.read',            'See service clients', true),
    ('clients.manage',          'Make and change service clients', true),
    ('tokens.read',             'See everybody''s access tokens', true),
    ('tokens.manage',           'Make and revoke anybody''s access tokens', true),
    ('audit.read',              'Read the audit log', true),
    ('events.read',             'Read the feed of events', true),
    ('webhooks.manage',         'Make and change webhooks', true);

INSERT INTO roles (name, rank, description, permissions, built_in) VALUES
    ('SuperAdmin', 1000, 'Holds every permission', '{}', true),
    ('Admin',       100, 'Manages accounts',
        (SELECT array_agg(name ORDER BY name) FROM permissions
          WHERE name NOT IN ('roles.manage', 'clients.manage', 'webhooks.manage')), true),
    ('User',          0, 'Signs in', '{}', true);
