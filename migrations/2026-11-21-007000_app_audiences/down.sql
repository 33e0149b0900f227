ALTER TABLE replicas DROP COLUMN app_audiences;
ALTER TABLE sessions DROP COLUMN resource;
