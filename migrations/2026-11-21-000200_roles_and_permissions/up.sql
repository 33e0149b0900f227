-- The permission catalogue, and the roles that combine permissions with a rank.

CREATE TABLE permissions (
    name        text        NOT NULL CONSTRAINT permissions_pkey PRIMARY KEY,
    description text,
    -- Built-in permissions cannot be deleted.
    built_in    boolean     NOT NULL DEFAULT false,
    created_at  timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE roles (
    name        text        NOT NULL CONSTRAINT roles_pkey PRIMARY KEY,
    -- A user can manage only users whose rank is lower than their own.
    rank        integer     NOT NULL CONSTRAINT roles_rank_check CHECK (rank BETWEEN 0 AND 1000),
    description text,
    -- Empty for SuperAdmin, which implicitly has every permission in the catalogue.
    permissions text[]      NOT NULL DEFAULT '{}',
    built_in    boolean     NOT NULL DEFAULT false,
    -- Incremented on every update; the ETag for conditional requests (If-Match).
    version     bigint      NOT NULL DEFAULT 1,
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now()
);

-- Role names are case-sensitive, but two names must not differ only in case.
CREATE UNIQUE INDEX roles_name_lower_key ON roles (lower(name));

-- The permissions of SuperAdmin are the whole catalogue, so a change of the catalogue affects users too.
CREATE TRIGGER permissions_notify_on_change
    AFTER INSERT OR UPDATE OR DELETE ON permissions
    FOR EACH STATEMENT EXECUTE FUNCTION notify_all_principals_invalidated();

CREATE TRIGGER roles_notify_on_change
    AFTER UPDATE OR DELETE ON roles
    FOR EACH STATEMENT EXECUTE FUNCTION notify_all_principals_invalidated();

CREATE TRIGGER roles_record_revocation_on_update
    AFTER UPDATE OF name, permissions ON roles FOR EACH ROW
    WHEN ((OLD.name, OLD.permissions) IS DISTINCT FROM (NEW.name, NEW.permissions))
    EXECUTE FUNCTION record_revocation('role', 'name', '');

INSERT INTO permissions (name, description, built_in) VALUES
    ('users.read',              'View users', true),
    ('users.create',            'Create users', true),
    ('users.update',            'Update users', true),
    ('users.disable',           'Disable and enable users', true),
    ('users.delete',            'Delete, restore and purge users', true),
    ('users.managePermissions', 'Change the permissions of users', true),
    ('users.resetPassword',     'Reset the passwords and second factors of users', true),
    ('sessions.read',           'View the sessions of all users', true),
    ('sessions.revoke',         'Revoke the sessions of all users', true),
    ('roles.read',              'View roles and the permission catalogue', true),
    ('roles.manage',            'Change roles and the permission catalogue', true),
    ('invites.read',            'View invites', true),
    ('invites.manage',          'Create and revoke invites', true),
    ('clients.read',            'View service clients', true),
    ('clients.manage',          'Create and change service clients', true),
    ('tokens.read',             'View the personal access tokens of all users', true),
    ('tokens.manage',           'Create and revoke the personal access tokens of all users', true),
    ('audit.read',              'Read the audit log', true),
    ('events.read',             'Read the event feed', true),
    ('webhooks.manage',         'Create and change webhooks', true);

INSERT INTO roles (name, rank, description, permissions, built_in) VALUES
    ('SuperAdmin', 1000, 'Has every permission', '{}', true),
    ('Admin',       100, 'Manages users',
        (SELECT array_agg(name ORDER BY name) FROM permissions
          WHERE name NOT IN ('roles.manage', 'clients.manage', 'webhooks.manage')), true),
    ('User',          0, 'Can sign in', '{}', true);
