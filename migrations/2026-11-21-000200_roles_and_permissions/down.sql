DROP TABLE roles;
DROP TABLE permissions;
