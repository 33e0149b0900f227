//! Everything between rosterd and PostgreSQL.

pub mod cluster;
