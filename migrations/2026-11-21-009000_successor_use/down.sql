ALTER TABLE sessions DROP COLUMN successor_used_at;
