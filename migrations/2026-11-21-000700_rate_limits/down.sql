DROP TABLE rate_limit_known_sources;
DROP TABLE rate_limit_sources;
DROP TABLE rate_limit_counters;
