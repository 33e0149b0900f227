UPDATE permissions SET description = replace(description, ' (not used by this release)', '')
WHERE name IN ('events.read', 'webhooks.manage', 'providers.manage');
