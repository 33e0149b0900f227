DROP TABLE throttle_places;
DROP TABLE throttle_sources;
DROP TABLE throttle_tallies;
