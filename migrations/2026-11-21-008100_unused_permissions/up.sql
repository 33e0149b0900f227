-- Permissions of the API that this release has no endpoints for yet.
UPDATE permissions SET description = description || ' (not used by this release)'
WHERE name IN ('events.read', 'webhooks.manage', 'providers.manage');
